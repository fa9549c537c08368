from pathlib import Path

import numpy as np
import pytest
from helpers.tiny_boxes import write_image, write_yolo

from vision.data.formats.yolo_labels import (
    Labels,
    LineFormat,
    label_path,
    orphans,
    read_labels,
)

PLAIN = LineFormat(num_classes=3)


def labels_of(path: Path, *lines: str, form: LineFormat = PLAIN) -> tuple[Labels, list[str]]:
    path.write_text("".join(f"{line}\n" for line in lines))
    problems: list[str] = []
    return read_labels(str(path), form, problems.append), problems


def test_boxes_and_polygons_of_a_file(tmp_path: Path) -> None:
    labels, problems = labels_of(
        tmp_path / "a.txt",
        "1 0.5 0.5 0.5 0.25",
        "",
        "2 0.1 0.2 0.5 0.2 0.3 0.8",
        "0 0.9 0.9 0.4 0.4",
    )
    assert problems == []
    assert labels.classes.tolist() == [1, 2, 0]
    expected = [[0.25, 0.375, 0.75, 0.625], [0.1, 0.2, 0.5, 0.8], [0.7, 0.7, 1, 1]]
    np.testing.assert_allclose(labels.boxes, expected)
    assert labels.polygons[0] is None
    np.testing.assert_allclose(labels.polygons[1], [[0.1, 0.2], [0.5, 0.2], [0.3, 0.8]])
    assert sum(labels.dropped.values()) == 0


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("3 0.5 0.5 0.5 0.5", "class 3, expected 0 to 2"),
        ("-1 0.5 0.5 0.5 0.5", "class -1"),
        ("0.5 0.5 0.5 0.5 0.5", "class 0.5"),
        ("nan 0.5 0.5 0.5 0.5", "class nan"),
        ("0 0.5 0.5 0.5", "4 numbers, expected 5"),
        ("0 0.5 0.5 0.5 0.5 0.9", "6 numbers, expected 5"),
        ("0 0.1 0.1 0.2 0.2 0.3 0.3 0.4", "8 numbers"),
        ("0 0.5 0.5 0.5 nan", "not a finite number"),
        ("0 0.5 inf 0.5 0.5", "not a finite number"),
        ("0 0.5 0.5 1.2 0.5", "1.2 is outside [0, 1]"),
        ("0 0.5 0.5 0.5 1.3", "clip_boxes: true cuts it"),
        ("0 320 240 100 100", "320 is outside [0, 1]"),
        ("0 0.1 0.1 0.2 -0.2 0.3 0.3", "-0.2 is outside"),
        ("0 0.5 0.5 a 0.5", "is not a row of numbers"),
        ("0 0.5 0.5 0.5 0.1_0", "is not a row of numbers"),
        ("0 0.5 0.5 0.5 \u0661", "is not a row of numbers"),
    ],
)
def test_a_wrong_line_is_told_with_file_and_line(tmp_path: Path, line: str, part: str) -> None:
    path = tmp_path / "a.txt"
    labels, problems = labels_of(path, "0 0.5 0.5 0.5 0.5", line, "1 0.5 0.5 0.5 0.5")
    (problem,) = problems
    assert problem.startswith(f"'{path}', line 2: ")
    assert part in problem
    assert labels.classes.tolist() == [0, 1]


def test_duplicates_and_degenerate_objects_are_dropped_and_counted(tmp_path: Path) -> None:
    labels, problems = labels_of(
        tmp_path / "a.txt",
        *("0 0.5 0.5 0.5 0.5", "0 0.50 0.5 0.5 0.5", "1 0.5 0.5 0.5 0.5"),
        *("0 0.5 0.5 0 0.5", "0 0.1 0.1 0.2 0.2 0.3 0.3"),
    )
    assert problems == []
    assert labels.classes.tolist() == [0, 1]
    assert labels.dropped == {"duplicate": 1, "degenerate": 2}


def test_labels_that_are_absent_or_no_text(tmp_path: Path) -> None:
    problems: list[str] = []
    assert len(read_labels(str(tmp_path / "absent.txt"), PLAIN, problems.append).classes) == 0
    assert problems == []
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe\x80")
    read_labels(str(tmp_path / "a.txt"), PLAIN, problems.append)
    assert len(problems) == 1
    assert "a.txt' is UTF-16 text" in problems[0]


def test_where_labels_lie() -> None:
    assert label_path("/data/images/train/x.y.jpg") == "/data/labels/train/x.y.txt"
    assert label_path("/images/set/images/x.png") == "/images/set/labels/x.txt"
    assert label_path("/data/pictures/x.png") == "/data/pictures/x.txt"


def test_labels_without_an_image_are_found(tmp_path: Path) -> None:
    root = write_yolo(tmp_path)
    loose = root / "labels" / "train" / "nobody.txt"
    loose.write_text("")
    # An image that the split leaves out is no reason to complain.
    write_image(root / "images" / "train" / "other.PNG")
    (root / "labels" / "train" / "other.txt").write_text("")
    images = [str(root / "images" / "train" / f"{name}.jpg") for name in "abcd"]
    assert list(orphans(images)) == [str(loose)]


def test_keypoints_are_left_out_of_a_pose_dataset(tmp_path: Path) -> None:
    form = LineFormat(num_classes=3, keypoints=6)
    pose = "1 0.5 0.5 0.5 0.25 0.4 0.5 2 0.6 0.5 1"
    labels, problems = labels_of(tmp_path / "a.txt", pose, "0 0.5 0.5 0.2 0.2", form=form)
    assert problems == []
    np.testing.assert_allclose(labels.boxes, [[0.25, 0.375, 0.75, 0.625], [0.4, 0.4, 0.6, 0.6]])
    assert labels.polygons == [None, None]
    labels, problems = labels_of(tmp_path / "a.txt", "1 0.5 0.5 0.5 0.25 0.4 0.5", form=form)
    assert "7 numbers, expected 5 (class cx cy w h) and the 6 of the keypoints" in problems[0]
    assert len(labels.classes) == 0


def test_what_lies_outside_the_image_is_cut_if_that_is_asked_for(tmp_path: Path) -> None:
    form = LineFormat(num_classes=3, clip=True)
    lines = ["0 0.5 0.5 1.4 0.5", "1 -0.5 0.2 0.5 0.2 0.5 0.6", "2 320 240 50 50"]
    labels, problems = labels_of(tmp_path / "a.txt", *lines, form=form)
    np.testing.assert_allclose(labels.boxes, [[0, 0.25, 1, 0.75], [0, 0.2, 0.5, 0.6]])
    assert "320 is outside [0, 1]: coordinates are shares" in problems[0]
    assert "not pixels" in problems[0]
