"""Cityscapes' instance ids: label ids, and 1,000 times one plus a number."""

from pathlib import Path

import numpy as np
from helpers.refusals import refuses
from helpers.tiny_segments import write_pixels

from vision.annotations.cityscapes_ids import labels_of, read_instance_values
from vision.errors import DataError


def test_labels_of_groups_and_objects() -> None:
    # Road, a group of persons, a person, the last bicycle that a file can hold.
    values = np.array([[7, 24], [24_001, 33_999]], dtype=np.uint16)
    assert labels_of(values).tolist() == [[7, 24], [24, 33]]


def test_only_the_labels_that_are_named_may_be_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    values = np.array([[7, 24_001], [255, 7]], dtype=np.uint16)
    write_pixels(path, values)
    assert (read_instance_values(path, [7, 24, 255]) == values).all()
    with refuses(DataError, "a.png", "the value 255", "label id"):
        read_instance_values(path, [7, 24])
