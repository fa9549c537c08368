from pathlib import Path

import pytest
from helpers.refusals import refuses
from helpers.tiny_boxes import NAMES, write_yolo

from vision.data.formats.yolo_layout import read_layout
from vision.errors import DataError


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
        ("train: images/train\nval: images/val\nnames: {0: a, 2: b}", "the keys ['0', '2']"),
        (
            "train: images/train\nval: images/val\nnames: [a, b, ' a']",
            "'a' twice: for the classes 0 and 2",
        ),
        ("train: images/train\nval: images/val\nnames: [a, '']", "'' for class 1"),
        ("train: images/train\nval: images/val\nnames: [a, [b]]", "['b'] for class 1"),
        ("train: images/train\nval: images/val\nnames: [a]\nkpt_shape: 17", "`kpt_shape`"),
        ("train: images/train\nval: images/val\nnames: [a]\nkpt_shape: [17, 4]", "`kpt_shape`"),
        ("path: [a]\ntrain: images/train\nval: images/val\nnames: [a]", "`path`"),
        ("train: images/train\nval: images/val\nnames: [a]\nnc: 2", "`nc: 2`"),
        ("train: {a: b}\nval: images/val\nnames: [a]", "`train`"),
    ],
)
def test_a_wrong_data_yaml_is_told(tmp_path: Path, text: str, part: str) -> None:
    (write_yolo(tmp_path) / "data.yaml").write_text(text)
    with pytest.raises(DataError) as caught:
        read_layout(tmp_path)
    assert part in str(caught.value)
    assert "data.yaml" in str(caught.value)


def test_absent_files_are_told(tmp_path: Path) -> None:
    with refuses(DataError, "has no data.yaml"):
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


def test_names_are_the_texts_that_are_written(tmp_path: Path) -> None:
    written = ("no", "on", "01", "12:30", "null", "1e3", "~", "2024-01-01", "true", "0x10", "yes")
    root = write_yolo(tmp_path)
    rows = "".join(f"  {label}: {name}\n" for label, name in enumerate(written))
    for names in (f"[{', '.join(written)}]\n", f"\n{rows}"):
        text = (
            f"train: images/train\nval: images/val\nnames: {names}nc: {len(written)}\ntest: null\n"
        )
        (root / "data.yaml").write_text(text)
        layout = read_layout(root)
        assert layout.class_names == written
        assert [*layout.splits] == ["train", "val"]
        assert layout.keypoints == ()


def test_keypoints_are_stated(tmp_path: Path) -> None:
    root = write_yolo(tmp_path)
    text = (root / "data.yaml").read_text()
    for line, expected in (("kpt_shape: [17, 3]", (17, 3)), ("kpt_shape: null", None)):
        (root / "data.yaml").write_text(f"{text}{line}\n")
        assert read_layout(root).keypoints == expected


def test_back_slashes_separate_folders(tmp_path: Path) -> None:
    root = write_yolo(tmp_path)
    (root / "list.txt").write_text(".\\images\\train\\b.jpg\n")
    text = f"train: list.txt\nval: images\\val\nnames: {list(NAMES)}\n"
    (root / "data.yaml").write_text(text)
    layout = read_layout(root)
    assert layout.images("train") == [str(root / "images" / "train" / "b.jpg")]
    assert layout.images("val") == [str(root / "images" / "val" / "e.jpg")]
