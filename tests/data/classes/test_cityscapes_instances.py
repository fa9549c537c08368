from pathlib import Path

import numpy as np
import pytest
from helpers.refusals import refuses
from helpers.tiny_segments import write_pixels

from vision.data.classes.cityscapes_instances import find_segments, read_instance_ids
from vision.errors import DataError


def test_values_are_stuff_objects_and_groups(tmp_path: Path) -> None:
    # Road, a person, a group of persons, a bicycle; not evaluated: ego vehicle, caravan, unlabeled.
    values = np.array([[7, 24_001, 24, 33_999], [1, 29_003, 0, 7]], dtype=np.uint16)
    write_pixels(tmp_path / "a.png", values)
    ids = read_instance_ids(tmp_path / "a.png")
    assert ids.dtype == np.int32
    assert ids.tolist() == [[7, 24_001, 24, 33_999], [0, 0, 0, 7]]
    segments = find_segments(ids)
    rows = zip(*(part.tolist() for part in segments), strict=True)
    assert [*rows] == [
        (7, 0, False),
        (24, 11, True),
        (24_001, 11, False),
        (33_999, 18, False),
    ]


def test_a_file_without_objects_has_bytes(tmp_path: Path) -> None:
    write_pixels(tmp_path / "a.png", np.array([[23, 23, 3]], dtype=np.uint8))
    ids = read_instance_ids(tmp_path / "a.png")
    assert ids.tolist() == [[23, 23, 0]]
    assert find_segments(ids).labels.tolist() == [10]
    assert len(find_segments(np.zeros((2, 2), dtype=np.int32)).ids) == 0


@pytest.mark.parametrize("value", [34, 254, 999, 34_000, 65_535])
def test_values_of_no_label_are_named(tmp_path: Path, value: int) -> None:
    write_pixels(tmp_path / "a.png", np.array([[7, value]], dtype=np.uint16))
    with refuses(DataError, "a.png", value, "label id"):
        read_instance_ids(tmp_path / "a.png")


def test_colours_are_no_ids(tmp_path: Path) -> None:
    write_pixels(tmp_path / "a.png", np.zeros((2, 2, 3), dtype=np.uint8))
    with refuses(DataError, "a.png", "RGB", "grey"):
        read_instance_ids(tmp_path / "a.png")
