"""KITTI's text of objects: read, written, and refused by line."""

import math
from pathlib import Path

import numpy as np
import pytest
from helpers.kitti import random_scene
from helpers.refusals import refuses

from vision.annotations.kitti import CLASSES, parse_objects, read_objects, write_objects
from vision.errors import DataError

# The first line of a label of the training set, and a region without annotation.
TEXT = (
    "Pedestrian 0.00 0 -0.20 712.40 143.00 810.73 307.92 1.89 0.48 1.20 1.84 1.47 8.41 0.01\n"
    "DontCare -1.00 -1 -10.00 503.89 169.71 590.61 190.13 -1.00 -1.00 -1.00 "
    "-1000.00 -1000.00 -1000.00 -10.00\n"
)
LINE = TEXT.splitlines()[0]


def test_fields_are_where_they_belong() -> None:
    objects = parse_objects(TEXT, "the test", scored=False)
    assert [CLASSES[i] for i in objects.classes] == ["Pedestrian", "DontCare"]
    assert objects.truncation.tolist() == [0, -1]
    assert objects.occlusion.tolist() == [0, -1]
    assert objects.alpha[0] == -0.2
    assert objects.boxes[0].tolist() == [712.4, 143, 810.73, 307.92]
    assert objects.sizes[0].tolist() == [1.89, 0.48, 1.2]
    assert objects.locations[0].tolist() == [1.84, 1.47, 8.41]
    assert objects.rotation[0] == 0.01
    assert np.isnan(objects.scores).all()
    assert parse_objects(f"{LINE} 0.25", "the test", scored=True).scores.tolist() == [0.25]


def test_text_is_written_as_it_was_read() -> None:
    objects = parse_objects(TEXT, "the test", scored=False)
    assert write_objects(objects, decimals=2) == TEXT


@pytest.mark.parametrize("seed", range(3))
def test_what_is_written_is_read(seed: int) -> None:
    truth, found = random_scene(seed)
    for side, scored in ((truth, False), (found, True)):
        for objects in side:
            text = write_objects(objects, decimals=6)
            again = parse_objects(text, "the test", scored=scored)
            for column, expected in zip(again, objects, strict=True):
                np.testing.assert_allclose(column, expected, rtol=0, atol=5.1e-7)


def test_files_may_be_empty_and_have_empty_lines(tmp_path: Path) -> None:
    path = tmp_path / "000000.txt"
    path.write_text("")
    assert read_objects(path, scored=True).boxes.shape == (0, 4)
    path.write_text(f"\r\n{LINE}\r\n\r\n")
    assert len(read_objects(path, scored=False).classes) == 1


def test_classes_are_known_in_any_case_but_regions_in_one() -> None:
    objects = parse_objects(LINE.replace("Pedestrian", "pedestrian"), "the test", scored=False)
    assert CLASSES[objects.classes[0]] == "Pedestrian"
    with refuses(DataError, "line 1", "'dontcare'", "'DontCare'"):
        parse_objects(LINE.replace("Pedestrian", "dontcare"), "the test", scored=False)


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        (LINE[:-5], ("14 fields, expected 15",)),
        (f"{LINE} 0.9", ("16 fields, expected 15", "score", "prediction")),
        (f"{LINE} 0.9 1", ("17 fields, expected 15",)),
        (LINE.replace("8.41", "nan"), ("z is 'nan'", "finite number")),
        (LINE.replace("-0.20", "-inf"), ("alpha is '-inf'", "finite number")),
        (LINE.replace("1.89", "1,89"), ("height is '1,89'", "finite number")),
        (LINE.replace("Pedestrian", "Pedestrain"), ("'Pedestrain'", "Did you mean 'Pedestrian'")),
        (LINE.replace("Pedestrian", "7"), ("class '7'", "Person_sitting")),
    ],
)
def test_a_wrong_line_is_refused_with_its_number(
    tmp_path: Path, line: str, parts: tuple[str, ...]
) -> None:
    path = tmp_path / "000003.txt"
    path.write_text(f"{TEXT}{line}\n")
    with refuses(DataError, "label file", "000003.txt", "line 3", "rotation_y", *parts) as caught:
        read_objects(path, scored=False)
    assert len(str(caught.value).splitlines()) <= 8


def test_many_wrong_lines_are_few_lines_of_a_message() -> None:
    with refuses(DataError, "40 problems", "line 1", "37 more") as caught:
        parse_objects("Car 1 2\n" * 40, "the test", scored=True)
    assert len(str(caught.value).splitlines()) <= 8


def test_absent_and_binary_files_are_named(tmp_path: Path) -> None:
    with refuses(DataError, "file of predictions", "000000.txt"):
        read_objects(tmp_path / "000000.txt", scored=True)
    (tmp_path / "000001.txt").write_bytes(b"\x89PNG")
    with refuses(DataError, "000001.txt", "PNG image"):
        read_objects(tmp_path / "000001.txt", scored=False)


def test_scores_are_not_written_where_there_are_none() -> None:
    objects = parse_objects(f"{LINE} 0.5", "the test", scored=True)
    assert write_objects(objects).endswith(" 0.0100 0.5000\n")
    without = objects._replace(scores=np.array([math.nan]))
    assert write_objects(without).endswith(" 0.0100\n")
