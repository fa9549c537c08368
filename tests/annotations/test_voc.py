from pathlib import Path

import numpy as np
import pytest
from helpers.tiny_boxes import HEIGHT, VOC_OBJECTS, WIDTH, boxes_of, voc_xml

from vision.annotations.voc import Annotation, read_annotation
from vision.documents.class_table import class_table

CLASSES = class_table("voc").classes[1:]


def read(path: Path, text: str, names: tuple[str, ...] = CLASSES) -> tuple[Annotation, list[str]]:
    path.write_text(text)
    problems: list[str] = []
    return read_annotation(path, names, problems.append), problems


def test_the_objects_of_a_file(tmp_path: Path) -> None:
    objects = VOC_OBJECTS["2007"]["000005"]
    annotation, problems = read(tmp_path / "a.xml", voc_xml("a", objects))
    assert problems == []
    assert annotation.size == (HEIGHT, WIDTH)
    assert [CLASSES[label] for label in annotation.classes] == ["chair", "dog"]
    # (1, 1, 20, 10) with both ends is 20 pixels wide and 10 high.
    np.testing.assert_array_equal(annotation.boxes, [[0, 0, 20, 10], [10, 4, 60, 40]])
    np.testing.assert_array_equal(annotation.boxes, boxes_of(objects))
    assert annotation.difficult.tolist() == [False, True]


def test_corners_with_fractions_and_from_zero(tmp_path: Path) -> None:
    objects = [
        ("cat", (45.70000076293945, 1, 50, 10), 0),
        ("cat", (0, 0, WIDTH, HEIGHT), 0),
        ("cat", (20, 20, 10, 10), 0),
    ]
    annotation, problems = read(tmp_path / "a.xml", voc_xml("a", objects))
    assert problems == []
    expected = [[44.7, 0, 50, 10], [0, 0, WIDTH, HEIGHT]]
    np.testing.assert_allclose(annotation.boxes, expected, rtol=1e-6)
    assert annotation.dropped == 1


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("<name>chair", "<name>chiar", "object 1 (chiar): no class of that name. Did you mean 'ch"),
        ("<name>chair</name>", "", "object 1 (no name)"),
        ("<xmax>20</xmax>", "", "xmax None, ymax '10', expected four numbers"),
        ("<xmax>20</xmax>", "<xmax>wide</xmax>", "xmax 'wide'"),
        ("<xmax>20</xmax>", "<xmax>nan</xmax>", "is not finite"),
        ("<xmax>20</xmax>", "<xmax>2_0</xmax>", "xmax '2_0'"),
        ("<difficult>0<", "<difficult>yes<", "<difficult> is 'yes', expected 0 or 1"),
        ("<bndbox>", "<bndbox/><bndbox>", "there are several <bndbox>"),
        ("<name>chair", "<name>chair</name><name>cat", "there are 2 <name>, expected one"),
        ("<width>60</width>", "<width>1000000000</width>", "expected at most 1,073,741,824"),
        ("<xmax>20</xmax>", f"<xmax>{WIDTH + 5}</xmax>", "is outside the image (60 x 40)"),
        ("<xmin>1</xmin>", "<xmin>-9</xmin>", "is outside the image"),
        ("<width>60</width>", "<width>many</width>", "<size> has height '40' and width 'many'"),
    ],
)
def test_a_wrong_object_is_told_with_file_and_object(
    tmp_path: Path, old: str, new: str, part: str
) -> None:
    text = voc_xml("a", VOC_OBJECTS["2007"]["000005"])
    assert old in text
    path = tmp_path / "a.xml"
    annotation, problems = read(path, text.replace(old, new, 1))
    (problem,) = problems
    assert problem.startswith(f"'{path}'")
    assert part in problem
    assert "dog" in [CLASSES[label] for label in annotation.classes]


def test_blanks_whole_decimals_and_no_mark_are_read(tmp_path: Path) -> None:
    text = voc_xml("a", VOC_OBJECTS["2007"]["000005"])
    text = text.replace("<name>chair<", "<name>  potted \n plant <")
    text = text.replace("<width>60<", "<width> 60.0 <").replace("<difficult>1</difficult>", "")
    annotation, problems = read(tmp_path / "a.xml", text, ("potted plant", "dog"))
    assert problems == []
    assert annotation.classes.tolist() == [0, 1]
    assert annotation.size == (HEIGHT, WIDTH)
    assert annotation.difficult.tolist() == [False, False]


def test_boxes_out_of_the_image_are_cut_if_that_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text(voc_xml("a", [("cat", (-9, 5, 600, 20), 0), ("cat", (70, 5, 90, 9), 0)]))
    problems: list[str] = []
    annotation = read_annotation(path, CLASSES, problems.append, clip=True)
    assert problems == []
    np.testing.assert_array_equal(annotation.boxes, [[0, 4, WIDTH, 20]])
    assert annotation.dropped == 1
    unsized = voc_xml("a", [("cat", (1, 5, 600, 20), 0)]).replace("<width>60<", "<width>0<")
    path.write_text(unsized)
    read_annotation(path, CLASSES, problems.append, measure=lambda: (HEIGHT, WIDTH))
    assert "is outside the image (60 x 40)" in problems[0]


def test_what_is_no_annotation(tmp_path: Path) -> None:
    whole = voc_xml("a", VOC_OBJECTS["2007"]["000005"])
    for text, part in (
        (whole[: len(whole) // 2], "is not a whole XML file"),
        ("", "is not a whole XML file"),
        ("<html></html>", "holds <html>, expected <annotation>"),
    ):
        annotation, (problem,) = read(tmp_path / "a.xml", text)
        assert part in problem
        assert len(annotation.classes) == 0
    problems: list[str] = []
    read_annotation(tmp_path / "absent.xml", CLASSES, problems.append)
    assert "there is no annotation" in problems[0]
    assert "absent.xml'" in problems[0]
