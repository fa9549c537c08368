"""Checks of what panoptic segmentation is given: which classes are things, and segments."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from vision.contracts.segments import VOID
from vision.errors import ConfigError, DataError, listed
from vision.tasks.first_batch import require_keys, shown_tensor


def agree_on_things(
    ours: Sequence[int] | None, theirs: Sequence[int], num_classes: int, origin: str
) -> list[int]:
    """Settle which classes are things when data or a person bring theirs.

    Args:
        ours: Indices that the task has; None if it has none yet.
        theirs: Indices of the other.
        num_classes: Number of classes of the task.
        origin: Name of the other, for the message.

    Returns:
        The indices, ascending.

    Raises:
        ConfigError: An index is no class or comes twice, or the two differ.
    """
    # A file of a model may hold anything.
    given = [*theirs] if isinstance(theirs, Iterable) else [theirs]
    things = sorted(int(index) for index in given if index in range(num_classes))
    if len(set(things)) < len(given):
        raise ConfigError(
            f"things of {origin} are {listed(given)}; expected indices of classes of countable "
            f"objects, from 0 to {num_classes - 1}, each once."
        )
    if ours is not None and things != [*ours]:
        only = [sorted({*a} - {*b}) for a, b in ((ours, things), (things, ours))]
        raise ConfigError(
            f"the task and {origin} differ in which classes are things: the task alone has "
            f"{listed(only[0]) if only[0] else 'none'}, {origin} alone "
            f"{listed(only[1]) if only[1] else 'none'}. Leave out the task's things, or choose "
            "other data."
        )
    return things


def check_segments(
    masks: object,
    segments: object,
    *,
    count: int,
    num_classes: int,
    size: tuple[int, int] | None,
) -> None:
    """Check the segments of a batch.

    Args:
        masks: Integers `(B, h, w)`, segment ids.
        segments: The segments of each image, as `vision.contracts.segments.SegmentInfo`.
        count: Number of images, B.
        num_classes: Number of classes.
        size: Height and width that the masks need; None for any.

    Raises:
        DataError: They are of another kind, or out of range, or do not fit each other.
    """
    sides = "h, w" if size is None else f"{size[0]}, {size[1]}"
    expected = f"expected segment ids, int32 ({count}, {sides}), {VOID} for none"
    if not isinstance(masks, Tensor) or masks.is_floating_point() or masks.dtype == torch.bool:
        raise DataError(f"batch['mask'] is {shown_tensor(masks)}; {expected}.")
    fits = masks.ndim == 3 and len(masks) == count
    if not fits or (size is not None and tuple(masks.shape[1:]) != size):
        raise DataError(f"batch['mask'] is {shown_tensor(masks)}; {expected}.")
    if not isinstance(segments, Sequence) or len(segments) != count:
        raise DataError(
            f"batch['segments'] is {shown_tensor(segments)}; expected a list of {count} lists, one "
            "per image."
        )
    for place, infos in enumerate(segments):
        name = f"batch['segments'][{place}]"
        ids = [_check_info(info, name, num_classes) for info in infos]
        if len(set(ids)) < len(ids):
            raise DataError(f"{name} has an id twice ({listed(ids)}); each segment has its own.")
        unlisted = set(masks[place].unique().tolist()) - {VOID, *ids}
        if unlisted:
            raise DataError(
                f"batch['mask'][{place}] has pixels of segment {listed(sorted(unlisted))}, which "
                f"{name} does not list (it has {listed(ids) or 'none'}). Add the segment, or write "
                f"{VOID} (void) to the pixels."
            )


def _check_info(info: Any, name: str, num_classes: int) -> int:
    """Check one segment; returns its id."""
    require_keys(info, ["id", "category_id", "isthing"], where=name)
    number, label = info["id"], info["category_id"]
    if not isinstance(number, int) or number <= VOID:
        raise DataError(f"{name} has the id {number!r}; expected a whole number from {VOID + 1}.")
    if not isinstance(label, int) or not 0 <= label < num_classes:
        raise DataError(
            f"{name}: segment {number} has the category_id {label!r}; expected the index of a "
            f"class, from 0 to {num_classes - 1}. Give num_classes, or the data's class names, as "
            "many as there are classes."
        )
    return number
