"""Checks of what the segmentation of volumes is given: regions, modalities, the first batch."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from vision.contracts.features import VolumeSpec
from vision.contracts.volumes import IGNORED, Regions
from vision.errors import ConfigError, DataError, listed, shown
from vision.tasks.first_batch import require_keys, shown_tensor


def check_encoder(backbone: nn.Module) -> None:
    """Check that a backbone which was given as an object encodes volumes.

    Raises:
        ConfigError: It does not.
    """
    specs = getattr(backbone, "feature_specs", ())
    if not specs or not isinstance(specs[0], VolumeSpec) or len(specs[0].stride) != 3:
        raise ConfigError(
            f"the backbone is a {type(backbone).__name__} whose maps have not three axes; a task "
            "on volumes needs an encoder of volumes, such as "
            "vision.create_backbone('swin_volume_48')."
        )


class _Needed(NamedTuple):
    type: type
    what: str


NEEDED = {
    "modalities": _Needed(str, "different names, one for each channel that its network gets"),
    "label_values": _Needed(int, "different whole numbers, one for each class"),
}


def agree_on_regions(
    ours: Regions | None, theirs: Mapping[str, Sequence[int]] | None, origin: str
) -> None:
    """Check that a task has the regions that data or a file bring.

    Args:
        ours: Regions of the task; None for a model of classes.
        theirs: Those of the other; None if it has none.
        origin: Name of the other, for the message.

    Raises:
        ConfigError: The other has regions, and the task has none, or others, or another order.
    """
    if theirs is None:
        return
    wanted = {name: sorted(classes) for name, classes in theirs.items()}
    have = None if ours is None else {name: [*classes] for name, classes in ours.items()}
    if have is None or [*have.items()] != [*wanted.items()]:
        raise ConfigError(
            f"{origin} has the regions {shown(wanted, 200)}, in this order, but the task "
            f"{'classes and no regions' if have is None else f'has {shown(have, 200)}'}. Give the "
            "task regions=..., those of the data, or choose data with the classes themselves."
        )


def agree_on_list(
    name: str, ours: Sequence[Any] | None, theirs: Sequence[Any], count: int, origin: str
) -> list[Any]:
    """Settle the modalities, or the values in label files, when data or a file bring theirs.

    Args:
        name: Name of the argument of the task.
        ours: Values that the task has, None if it has none yet.
        theirs: Values of the other.
        count: How many the task needs.
        origin: Name of the other, for the message.

    Returns:
        The values.

    Raises:
        ConfigError: Their number is another, or the two differ.
    """
    needed = NEEDED[name]
    # A file of a model may hold anything.
    values = [*theirs] if isinstance(theirs, list | tuple) else [theirs]
    fit = len(values) == count and all(type(one) is needed.type for one in values)
    if not fit or len({*values}) < count:
        raise ConfigError(
            f"{name} of {origin} are {listed(map(shown, values), maximum=8)}; the task needs "
            f"{count} {needed.what}."
        )
    if ours is not None and [*ours] != values:
        raise ConfigError(
            f"{name} of the task are {listed(ours, maximum=8)}, but those of {origin} "
            f"{listed(values, maximum=8)}. Leave out the task's, or choose other data."
        )
    return values


def check_volumes(batch: Any, *, channels: int) -> None:
    """Check the volumes of a batch, and the valid cells of each.

    Args:
        batch: The batch.
        channels: Number of modalities.

    Raises:
        DataError: They are of another type or shape, or not finite.
    """
    require_keys(batch, ["volume", "size"])
    volumes = batch["volume"]
    expected = f"expected float32 (B, {channels}, D, H, W), finite and normalised"
    fits = isinstance(volumes, Tensor) and volumes.is_floating_point() and volumes.ndim == 5
    if not fits or volumes.shape[1] != channels:
        remedy = ""
        if isinstance(volumes, Tensor) and volumes.ndim == 5 and volumes.shape[4] == channels:
            remedy = " The modalities come last: permute(0, 4, 1, 2, 3)."
        raise DataError(f"batch['volume'] is {shown_tensor(volumes)}; {expected}.{remedy}")
    if not bool(volumes.isfinite().all()):
        raise DataError(f"batch['volume'] is {shown_tensor(volumes)}; {expected}.")
    _check_sizes(batch["size"], "size", count=len(volumes), limit=volumes.shape[2:])


def check_evaluated_volumes(batch: Any) -> None:
    """Check what leads back to the original volumes.

    Raises:
        DataError: It is absent, or of another type or shape.
    """
    keys = ["affine", "original_affine", "original_size", "subject", "path"]
    require_keys(batch, ["volume", *keys])
    count = len(batch["volume"])
    for key in ("affine", "original_affine"):
        value = batch[key]
        if not isinstance(value, Tensor) or value.shape != (count, 4, 4):
            raise DataError(
                f"batch['{key}'] is {shown_tensor(value)}; expected float32 ({count}, 4, 4), from "
                "the index of a cell to millimetres."
            )
    _check_sizes(batch["original_size"], "original_size", count=count, limit=None)
    for key in ("subject", "path"):
        if not isinstance(batch[key], Sequence) or len(batch[key]) != count:
            raise DataError(
                f"batch['{key}'] is {shown_tensor(batch[key])}; expected a list of {count} texts."
            )


def _check_sizes(sizes: object, key: str, *, count: int, limit: Sequence[int] | None) -> None:
    fits = isinstance(sizes, Tensor) and sizes.shape == (count, 3) and not sizes.is_floating_point()
    if not isinstance(sizes, Tensor) or not fits or bool((sizes < 1).any()):
        raise DataError(
            f"batch['{key}'] is {shown_tensor(sizes)}; expected int64 ({count}, 3), the cells of "
            "each volume along its axes."
        )
    if limit is not None and bool((sizes > sizes.new_tensor(limit)).any()):
        raise DataError(
            f"batch['{key}'] has {sizes.max(dim=0).values.tolist()} (D, H, W), but the volumes of "
            f"the batch have {[*limit]}: the valid part of a volume lies in it."
        )


def check_volume_masks(
    masks: object, *, num_classes: int, sizes: Tensor, exact: Sequence[int] | None
) -> None:
    """Check the classes of the cells of a batch.

    Args:
        masks: uint8 `(B, d, h, w)`, class index or `IGNORED`.
        num_classes: Number of classes.
        sizes: int64 `(B, 3)`, cells of each volume that need a class.
        exact: Cells d, h, w that the masks need; None for any that hold the sizes.

    Raises:
        DataError: They are of another type, shape or range.
    """
    count = len(sizes)
    sides = "d, h, w" if exact is None else ", ".join(map(str, exact))
    expected = (
        f"expected uint8 ({count}, {sides}), class indices from 0 to {num_classes - 1}, or "
        f"{IGNORED} for cells that are ignored"
    )
    name = "batch['mask']"
    if not isinstance(masks, Tensor) or masks.dtype != torch.uint8:
        raise DataError(f"{name} is {shown_tensor(masks)}; {expected}.")
    fits = masks.ndim == 4 and len(masks) == count
    fits = fits and (exact is None or tuple(masks.shape[1:]) == tuple(exact))
    if not fits or bool((sizes > sizes.new_tensor(masks.shape[1:])).any()):
        plane = masks.ndim == 5 and masks.shape[1] == 1
        remedy = " Take masks.squeeze(1)." if plane else ""
        raise DataError(f"{name} is {shown_tensor(masks)}; {expected}.{remedy}")
    wrong = masks[(masks >= num_classes) & (masks != IGNORED)].unique().tolist()
    if wrong:
        raise DataError(
            f"{name} has the class {listed(wrong)}; {expected}. Give the data the values in its "
            "label files (label_values), or the task num_classes."
        )
