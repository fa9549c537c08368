"""Checks of a detection dataset before the first step: objects and masks to train and evaluate."""

from collections.abc import Callable, Mapping

from vision.data.index.detection import DetectionIndex
from vision.errors import DataError


def require_objects_to_learn(index: DetectionIndex, looked_at: Callable[[], str]) -> None:
    """Raise an error unless a training set has an object that is not a crowd region.

    Args:
        index: The training set.
        looked_at: Returns where its annotations were looked for.

    Raises:
        DataError: It has none.
    """
    if not index.crowd.all():
        return
    raise DataError(
        f"none of the {len(index):,} training images in '{index.folder.resolve()}' has an object "
        f"to learn{_crowds(index)}. Looked for annotations in {looked_at()}."
    )


def require_objects_to_measure(
    index: DetectionIndex, split: str, looked_at: Callable[[], str]
) -> None:
    """Raise an error unless an evaluated set has an object that is not a crowd region.

    Args:
        index: The set.
        split: Its name.
        looked_at: Returns where its annotations were looked for.

    Raises:
        DataError: It has none.
    """
    if not index.crowd.all():
        return
    limit = "val" if split == "val" else "test"
    raise DataError(
        f"nothing can be measured on '{split}': none of its {len(index):,} images has an object to "
        f"find{_crowds(index)}. Looked for annotations in {looked_at()}. Annotate some, or set "
        f"trainer.limit_{limit}_batches: 0 to leave it out."
    )


def require_masks(index: DetectionIndex, split: str, looked_at: Callable[[], str]) -> None:
    """Raise an error unless a set has the masks that a detector with a mask branch needs.

    Args:
        index: The set.
        split: Its name.
        looked_at: Returns where its annotations were looked for.

    Raises:
        DataError: It has only boxes.
    """
    if not index.has_masks:
        raise DataError(
            f"'{split}' has no masks, but the detector has a mask branch. Looked for annotations "
            f"in {looked_at()}. Give every object a mask (and leave data.masks on), or choose a "
            "detector without masks, such as model.detector: faster_rcnn."
        )


def require_masks_to_paste(index: DetectionIndex, looked_at: Callable[[], str]) -> None:
    """Raise an error unless a training set has the masks by which objects are pasted.

    Args:
        index: The training set.
        looked_at: Returns where its annotations were looked for.

    Raises:
        DataError: It has only boxes.
    """
    if not index.has_masks:
        raise DataError(
            "augment.copy_paste needs masks, and the training set has only boxes. Looked for "
            f"annotations in {looked_at()}. Give every object a mask, or set augment.copy_paste to "
            "0; augment.mosaic and augment.mixup need no masks."
        )


def require_alike_masks(
    sets: Mapping[str, DetectionIndex], looked_at: Callable[[str], str]
) -> None:
    """Raise an error if only some sets have masks.

    Args:
        sets: The sets by name.
        looked_at: Returns where the annotations of a set were looked for.

    Raises:
        DataError: Some sets have masks and some do not.
    """
    without = [name for name, index in sets.items() if not index.has_masks]
    if not without or len(without) == len(sets):
        return
    others = [name for name in sets if name not in without]
    raise DataError(
        f"'{without[0]}' has no masks, and '{others[0]}' has. Looked for annotations in "
        f"{looked_at(without[0])}. Give every object of both a mask, or set data.masks: false to "
        "use only boxes."
    )


def _crowds(index: DetectionIndex) -> str:
    return f" ({len(index.crowd):,} crowd regions only)" if len(index.crowd) else ""
