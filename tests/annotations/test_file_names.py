import pytest

from vision.annotations.file_names import file_name_of, leads_out, name_fault, with_slashes


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"file_name": "a/b.jpg", "coco_url": "http://h/train2017/c.jpg"}, "a/b.jpg"),
        ({"coco_url": "http://h/train2017/c.jpg"}, "train2017/c.jpg"),
        ({"file_name": "", "coco_url": "http://h/train2017/c.jpg"}, "train2017/c.jpg"),
        ({"file_name": "a\\b.jpg"}, "a/b.jpg"),
        ({"file_name": 7}, ""),
        ({"file_name": None, "coco_url": "c.jpg"}, ""),
        ({}, ""),
    ],
)
def test_the_name_of_an_image(record: dict, expected: str) -> None:
    assert file_name_of(record) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a.jpg", False),
        ("a/b.jpg", False),
        ("a/../b.jpg", False),
        ("..a.jpg", False),
        ("a..b/c.jpg", False),
        ("./a.jpg", False),
        ("/a.jpg", True),
        ("../a.jpg", True),
        ("a/../../b.jpg", True),
        ("..", True),
        ("C:/a.jpg", True),
        ("//host/a.jpg", True),
    ],
)
def test_what_leads_out_of_the_folder(path: str, expected: bool) -> None:
    assert leads_out(path) == expected
    assert leads_out(with_slashes(path.replace("/", "\\"))) == expected


def test_a_fault_shows_what_is_given() -> None:
    assert name_fault("a.jpg", {}) is None
    assert "'file_name' is 7 and 'coco_url' None" in (name_fault("", {"file_name": 7}) or "")
    assert "has a NUL" in (name_fault("a\0.jpg", {}) or "")
    assert "'../a.jpg', which leads out" in (name_fault("../a.jpg", {}) or "")
