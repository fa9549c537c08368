"""The mapping from values to classes for comparing two folders of label images."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from vision.contracts.segmentation import IGNORED
from vision.data.classes.label_tables import LabelTable

REMEDY = "Compare with --num-classes, --ignore and --reduce-zero-label, or fix the file."

# From the values in a file, `(H, W)`, to uint8 `(H, W)` classes; the path is for messages.
Classes = Callable[[np.ndarray, Path], np.ndarray]


def compared_labels(
    num_classes: int,
    *,
    ignored: Sequence[int] = (IGNORED,),
    reduce_zero_label: Literal["both", "annotations"] | None = None,
) -> tuple[Classes, Classes]:
    """The mappings of annotations and of predictions to classes; other values are errors.

    Args:
        num_classes: Number of classes, 1 to 255.
        ignored: Values in annotations whose pixels do not count; a class may be one of them, as in
            mmsegmentation. Predictions may have these values in ignored places.
        reduce_zero_label: Which files have 0 for ignored pixels, and 1, 2, ... for the classes.
    """
    first = 1 if reduce_zero_label else 0
    found = _table(num_classes, ignored, first if reduce_zero_label == "both" else 0).apply
    table = _table(num_classes, ignored, first)
    unmeasured = [value for value in ignored if first <= value < first + num_classes]
    if not unmeasured:
        return table.apply, found
    return (
        lambda labels, path: np.where(
            np.isin(labels, unmeasured), np.uint8(IGNORED), table.apply(labels, path)
        ),
        found,
    )


def _table(num_classes: int, ignored: Sequence[int], first: int) -> LabelTable:
    """The classes, numbered from a first value; the other possible values are ignored."""
    values = dict.fromkeys([*ignored, *range(first)], IGNORED)
    return LabelTable(values | {first + k: k for k in range(num_classes)}, remedy=REMEDY)
