"""The segments in Cityscapes' files of instance ids (`*_gtFine_instanceIds.png`).

Values of labels that are not evaluated are void.
"""

import os

import numpy as np

from vision.annotations.cityscapes_ids import OBJECTS, labels_of, read_instance_values
from vision.annotations.panoptic import Segments
from vision.contracts.segmentation import IGNORED
from vision.contracts.segments import VOID
from vision.data.classes.cityscapes import train_ids
from vision.ops.segment_ids import distinct_ids

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
    values = read_instance_values(path, train_ids())
    found = distinct_ids(values)
    table = np.zeros(int(found.max(initial=0)) + 1, dtype=np.int32)
    known = found[_labels(found) != IGNORED]
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
    """The train id of each id, int64 `(S,)`; `IGNORED` if it is not evaluated."""
    classes = train_ids()
    return np.array([classes[value] for value in labels_of(ids).tolist()], dtype=np.int64)
