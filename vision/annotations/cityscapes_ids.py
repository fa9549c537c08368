"""Cityscapes' files of instance ids (`*_gtFine_instanceIds.png`).

As in Cityscapes' own scripts (createPanopticImgs.py): a value below 1,000 is a label id, of stuff
or of a group of objects that were not told apart; any other is 1,000 times a label id plus a
number.
"""

import os
from collections.abc import Collection

import numpy as np

from vision.errors import DataError
from vision.ops.label_images import read_labels
from vision.ops.segment_ids import distinct_ids

# Objects of one label in an image, and the first value that stands for an object.
OBJECTS = 1000


def read_instance_values(path: str | os.PathLike[str], labels: Collection[int]) -> np.ndarray:
    """Read the values of a file.

    Args:
        path: The file.
        labels: The label ids that values may have.

    Returns:
        `(H, W)`, unsigned integers.

    Raises:
        ImageError: The file is absent or broken.
        DataError: It is an RGB image, or has a value of no label.
    """
    values = read_labels(path)
    if values.ndim != 2:
        raise DataError(
            f"'{path}' is an RGB image, expected the grey one of instance ids that is in "
            "gtFine_trainvaltest.zip under this name."
        )
    present = distinct_ids(values)
    unknown = present[~np.isin(labels_of(present), [*labels])]
    if len(unknown):
        raise DataError(
            f"'{path}' has the value {unknown[0]}, which is neither a label id (0 to 33) nor 1,000 "
            "times one plus a number. Take the file of gtFine_trainvaltest.zip."
        )
    return values


def labels_of(values: np.ndarray) -> np.ndarray:
    """The label id of each value of a file, int64 of the same shape."""
    wide = values.astype(np.int64)
    return np.where(wide < OBJECTS, wide, wide // OBJECTS)
