from pathlib import Path

import numpy as np
import pytest
from tiny_boxes import NAMES, write_image, write_yolo

from vision.data.yolo_files import label_path, orphans, read_labels, read_layout
from vision.errors import DataError


def labels_of(path: Path, *lines: str) -> tuple[object, list[str]]:
    path.write_text("".join(f"{line}\n" for line in lines))
    problems: list[str] = []
    return read_labels(str(path), 3, problems.append), problems


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
        ("0 320 240 100 100", "320 is outside [0, 1]"),
        ("0 0.1 0.1 0.2 -0.2 0.3 0.3", "-0.2 is outside"),
        ("0 0.5 0.5 a 0.5", "is no row of numbers"),
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
    assert len(read_labels(str(tmp_path / "absent.txt"), 3, problems.append).classes) == 0
    assert problems == []
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe\x80")
    read_labels(str(tmp_path / "a.txt"), 3, problems.append)
    assert len(problems) == 1
    assert "a.txt' is UTF-16 text" in problems[0]


def test_where_labels_lie() -> None:
    assert label_path("/data/images/train/x.y.jpg") == "/data/labels/train/x.y.txt"
    assert label_path("/images/set/images/x.png") == "/images/set/labels/x.txt"
    assert label_path("/data/pictures/x.png") == "/data/pictures/x.txt"


def test_the_entries_of_data_yaml(tmp_path: Path) -> None:
    root = write_yolo(tmp_path)
    images = [str(root / "images" / "train" / f"{name}.jpg") for name in "abcd"]
    (root / "list.txt").write_text(f"./images/train/b.jpg\n{images[0]}\n\nimages/train/b.jpg\n")
    names = list(NAMES)
    for path, train, expected in (
        ("", "images/train", images),
        ("path: .", ["images/train", "images/val"], [*images, str(root / "images/val/e.jpg")]),
        (f"path: {root}", "list.txt", [images[1], images[0]]),
        ("path: ../elsewhere", "../images/train", None),
        (f"path: ../{root.name}", "../images/train", images),
    ):
        text = f"{path}\ntrain: {train}\nval: images/val\nnames: {names}\nnc: 3\n"
        (root / "data.yaml").write_text(text)
        if expected is None:
            with pytest.raises(DataError, match="no such folder"):
                read_layout(root)
        else:
            layout = read_layout(root)
            assert layout.class_names == NAMES
            assert layout.images("train") == expected


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("train: [", "not valid YAML"),
        ("just words", "holds no `key: value`"),
        ("trian: images/train\nval: images/val\nnames: [a]", "no `train`. Did you mean 'trian'"),
        ("train: images/train\nval: images/val", "has no `names`"),
        ("train: images/train\nval: images/val\nnames: {0: a, 2: b}", "the keys [0, 2]"),
        ("train: images/train\nval: images/val\nnames: [a, a]", "'a' twice"),
        ("train: images/train\nval: images/val\nnames: [a]\nnc: 2", "`nc: 2`"),
        ("train: 3\nval: images/val\nnames: [a]", "`train`"),
    ],
)
def test_a_wrong_data_yaml_is_told(tmp_path: Path, text: str, part: str) -> None:
    (write_yolo(tmp_path) / "data.yaml").write_text(text)
    with pytest.raises(DataError) as caught:
        read_layout(tmp_path)
    assert part in str(caught.value)
    assert "data.yaml" in str(caught.value)


def test_absent_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no data\.yaml"):
        read_layout(tmp_path)
    with pytest.raises(DataError, match="there is no"):
        read_layout(tmp_path / "absent")
    root = write_yolo(tmp_path)
    (root / "data.yaml").rename(root / "shapes.yml")  # the only one: any name will do
    layout = read_layout(root)
    with pytest.raises(DataError, match="has no `test`"):
        layout.images("test")
    layout = layout._replace(splits={"train": ("images/nowhere",), "val": ("labels",)})
    for split, part in (("train", "which is absent"), ("val", "has no images")):
        with pytest.raises(DataError, match=part):
            layout.images(split)


def test_labels_without_an_image_are_found(tmp_path: Path) -> None:
    root = write_yolo(tmp_path)
    loose = root / "labels" / "train" / "nobody.txt"
    loose.write_text("")
    # An image that the split leaves out is no reason to complain.
    write_image(root / "images" / "train" / "other.PNG")
    (root / "labels" / "train" / "other.txt").write_text("")
    images = [str(root / "images" / "train" / f"{name}.jpg") for name in "abcd"]
    assert list(orphans(images)) == [str(loose)]
