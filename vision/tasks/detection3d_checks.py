"""Checks of what a task that finds boxes in space is given."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from vision.errors import DataError
from vision.tasks.first_batch import check_sizes, require_keys, shown_tensor

# Numbers of each object, by key of the target; labels and what has one number have none.
TARGET_SHAPES = {"boxes": (6,), "boxes2d": (4,), "sizes": (3,), "depth_m": (), "alpha": ()}
TRUTH_SHAPES = {"boxes3d": (7,), "boxes": (4,), "alpha": (), "truncation": ()}
# Of these regions without a place in space have none.
UNBOUND = ("boxes3d",)
# In pixels; no camera has a shorter focal length.
MIN_FOCAL = 1.0


def check_cameras(batch: Mapping[str, Any], images: Tensor) -> None:
    """Check the cameras of a batch, and the sizes that they project to.

    Args:
        batch: Has `camera` and `camera_size`.
        images: Its images.

    Raises:
        DataError: They are of another type or shape, or a focal length is not above a pixel.
    """
    cameras, count = batch["camera"], len(images)
    expected = (
        f"expected float ({count}, 3, 4), which takes (x, y, z, 1) in metres to pixels, such as "
        "KITTI's P2"
    )
    name = "batch['camera']"
    if (
        not isinstance(cameras, Tensor)
        or cameras.shape != (count, 3, 4)
        or not cameras.is_floating_point()
        or not bool(cameras.isfinite().all())
    ):
        raise DataError(f"{name} is {shown_tensor(cameras)}; {expected}.")
    focal = torch.stack([cameras[:, 0, 0], cameras[:, 1, 1]], dim=-1)
    if bool((focal < MIN_FOCAL).any()):
        raise DataError(
            f"{name} has a focal length of {float(focal.min()):g} pixels; {expected}, with focal "
            f"lengths of {MIN_FOCAL:g} pixel or more."
        )
    check_sizes(batch["camera_size"], images, key="camera_size")


def check_targets3d(targets: Any, batch: Mapping[str, Any], *, num_classes: int) -> None:
    """Check what is to be learnt of the images of a batch.

    Args:
        targets: A dict for each image, as `vision.contracts.detection3d.MonocularTarget`.
        batch: Has `image` and `size`; places are shares of the input, so images are not padded.
        num_classes: Number of classes.

    Raises:
        DataError: One has another form, or a value out of range.
    """
    images = batch["image"]
    if bool((batch["size"] != batch["size"].new_tensor(images.shape[2:])).any()):
        raise DataError(
            f"batch['size'] has {batch['size'].min(dim=0).values.tolist()} (height, width) for "
            f"batch['image'], {shown_tensor(images)}; a training batch has images of one size."
        )
    check_list(targets, "target", len(images))
    for place, target in enumerate(targets):
        name = f"batch['target'][{place}]"
        require_keys(target, ["labels", *TARGET_SHAPES], where=name)
        count = check_labels(target["labels"], name, lowest=0, num_classes=num_classes)
        _check_columns(target, TARGET_SHAPES, name, count)
        for key in ("sizes", "depth_m"):
            if not bool((target[key] > 0).all()):
                raise DataError(
                    f"{name}['{key}'] is {shown_tensor(target[key])}; expected metres, above 0."
                )


def check_truth(truth: Any, *, count: int) -> None:
    """Check what is annotated in the images of a batch.

    Args:
        truth: A dict for each image, as `vision.contracts.detection3d.Boxes3DTruth`.
        count: Number of images.

    Raises:
        DataError: One has another form.
    """
    check_list(truth, "truth", count)
    for place, one in enumerate(truth):
        name = f"batch['truth'][{place}]"
        require_keys(one, ["labels", "names", "occlusion", *TRUTH_SHAPES], where=name)
        objects = check_labels(one["labels"], name)
        _check_columns(one, TRUTH_SHAPES, name, objects)
        for key in ("names", "occlusion"):
            if len(one[key]) != objects:
                raise DataError(
                    f"{name}['{key}'] has {len(one[key])} entries for {objects} labels; expected "
                    "one for each."
                )


def check_list(values: object, key: str, count: int, *, unit: str = "image") -> None:
    """Check that there is a dict for each image or sweep.

    Args:
        values: What should be a list of them.
        key: Its key in the batch.
        count: Number of images or sweeps.
        unit: What one is called.

    Raises:
        DataError: It is another thing, or has another length.
    """
    if not isinstance(values, Sequence) or len(values) != count:
        raise DataError(
            f"batch['{key}'] is {shown_tensor(values)}; expected a list of {count} dicts, one per "
            f"{unit}."
        )


def check_labels(
    labels: object, name: str, *, lowest: int | None = None, num_classes: int = 0
) -> int:
    """Check class indices, int64 `(N,)`.

    Args:
        labels: The indices.
        name: Where they stand, for messages.
        lowest: The smallest index; None leaves the range unchecked.
        num_classes: Number of classes.

    Returns:
        How many there are.

    Raises:
        DataError: They are of another kind, or out of range.
    """
    expected = "expected class indices, int64 (N,)"
    if not isinstance(labels, Tensor) or labels.ndim != 1 or labels.dtype != torch.int64:
        raise DataError(f"{name}['labels'] is {shown_tensor(labels)}; {expected}.")
    if lowest is not None and len(labels):
        low, high = (int(value) for value in labels.aminmax())
        if low < lowest or high >= num_classes:
            raise DataError(
                f"{name}['labels'] is {shown_tensor(labels)}; {expected}, from {lowest} to "
                f"{num_classes - 1}. Give num_classes, or the data's class names, as many as there "
                "are classes."
            )
    return len(labels)


def _check_columns(
    values: Any, shapes: Mapping[str, tuple[int, ...]], name: str, count: int
) -> None:
    for key, shape in shapes.items():
        value, wanted = values[key], (count, *shape)
        good = isinstance(value, Tensor) and value.shape == wanted and value.is_floating_point()
        if not good or (key not in UNBOUND and not bool(value.isfinite().all())):
            raise DataError(
                f"{name}['{key}'] is {shown_tensor(value)}; expected finite float {wanted}, for "
                f"{count} labels."
            )
