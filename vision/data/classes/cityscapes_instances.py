"""The segments in Cityscapes' files of instance ids (`*_gtFine_instanceIds.png`).

As in Cityscapes' own scripts (createPanopticImgs.py): a value below 1,000 is a label id, of stuff
or of a group of objects that were not told apart; any other is 1,000 times a label id plus a
number. Values of labels that are not evaluated are void.
"""

import os

import numpy as np

from vision.annotations.panoptic import Segments
from vision.contracts.segmentation import IGNORED
from vision.contracts.segments import VOID
from vision.data.classes.cityscapes import train_ids
from vision.errors import DataError
from vision.ops.label_images import read_labels
from vision.ops.segment_ids import distinct_ids

# Objects of one label in an image, and the first value that stands for an object.
OBJECTS = 1000
# Person to bicycle: the train ids of the benchmark's countable objects.
THINGS = tuple(range(11, 19))


def read_instance_ids(path: str | os.PathLike[str]) -> np.ndarray:
    """Read the ids of a file, without those of labels that are not evaluated.

    Returns:
        int32 `(H, W)`: the file's values, or `VOID`.

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
    found = distinct_ids(values)
    labels = _labels(found)
    if unknown := found[labels < 0].tolist():
        raise DataError(
            f"'{path}' has the value {unknown[0]}, which is neither a label id (0 to 33) nor 1,000 "
            "times one plus a number. Take the file of gtFine_trainvaltest.zip."
        )
    table = np.zeros(int(found.max(initial=0)) + 1, dtype=np.int32)
    known = found[labels != IGNORED]
    table[known] = known
    return table[values]


def find_segments(ids: np.ndarray) -> Segments:
    """The segments of a map that `read_instance_ids` has read.

    Args:
        ids: int32 `(H, W)`.
    """
    found = distinct_ids(ids).astype(np.int64)
    found = found[found != VOID]
    labels = _labels(found)
    return Segments(found, labels, (found < OBJECTS) & np.isin(labels, THINGS))


def _labels(ids: np.ndarray) -> np.ndarray:
    """The train id of each id, int64 `(S,)`; `IGNORED`, or -1 for no label."""
    classes = train_ids()
    wide = ids.astype(np.int64)
    own = np.where(wide < OBJECTS, wide, wide // OBJECTS).tolist()
    return np.array([classes.get(value, -1) for value in own], dtype=np.int64)
