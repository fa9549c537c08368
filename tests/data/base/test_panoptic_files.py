import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.refusals import refuses
from helpers.tiny_segments import write_panoptic

from vision.data import COCOPanoptic
from vision.errors import DataError


def make(root: Path, **options: Any) -> COCOPanoptic:
    return COCOPanoptic(root=root, **{"cache_dir": "", "num_workers": 0, **options})


def change(root: Path, split: str, edit: Callable[[dict[str, Any]], Any]) -> Path:
    path = root / "annotations" / f"panoptic_{split}2017.json"
    contents = json.loads(path.read_text())
    edit(contents)
    path.write_text(json.dumps(contents))
    return path


def crowds_only(contents: dict[str, Any]) -> None:
    for image in contents["annotations"]:
        for segment in image["segments_info"]:
            segment["iscrowd"] = 1


def all_alike(value: int) -> Callable[[dict[str, Any]], None]:
    def edit(contents: dict[str, Any]) -> None:
        for category in contents["categories"]:
            category["isthing"] = value

    return edit


def test_a_split_of_crowds_has_nothing_to_learn(tmp_path: Path) -> None:
    change(write_panoptic(tmp_path), "train", crowds_only)
    with refuses(DataError, "train set", "crowds", "'iscrowd' 1", ".png", "nothing to learn"):
        make(tmp_path).setup("fit")
    problems = [*make(tmp_path).problems()]
    assert len(problems) == 1
    assert "'iscrowd' 0" in problems[0]


@pytest.mark.parametrize(("value", "absent"), [(1, "stuff"), (0, "things")])
def test_classes_of_one_sort_are_remarked_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, value: int, absent: str
) -> None:
    write_panoptic(tmp_path)
    for split in ("train", "val"):
        change(tmp_path, split, all_alike(value))
    data, remarks = make(tmp_path), []
    data.setup("validate")
    parts = ("all 4 classes", f"'isthing' {value}", f"PQ of {absent}", f"'isthing': {1 - value}")
    assert all(part in caplog.text for part in parts)
    assert not [*data.problems(None, remarks)]
    assert any(all(part in line for part in parts) for line in remarks)


def test_splits_have_to_have_the_same_classes(tmp_path: Path) -> None:
    write_panoptic(tmp_path)

    def swap(contents: dict[str, Any]) -> None:
        contents["categories"][1]["isthing"] = 0

    change(tmp_path, "val", swap)
    with refuses(DataError, "'val'", "'train'", "3 'box' (stuff)", "3 'box' (thing)"):
        make(tmp_path).setup("validate")


def test_absent_files_are_named_with_what_is_expected(tmp_path: Path) -> None:
    with refuses(DataError, str(tmp_path / "nothing"), "panoptic_{train,val}2017.json"):
        make(tmp_path / "nothing").setup("fit")
    root = write_panoptic(tmp_path / "data")
    (root / "val2017").rename(root / "valid2017")
    with refuses(DataError, "val2017", "valid2017", "Did you mean"):
        make(root).setup("validate")
    masks = root / "annotations" / "panoptic_train2017"
    masks.rename(root / "panoptic_train2017")  # as some unpack it
    make(root).index("train")
    (root / "panoptic_train2017").rename(root / "pngs")
    with refuses(DataError, "panoptic_train2017", "*.png"):
        make(root).setup("fit")
    (root / "annotations" / "panoptic_train2017.json").unlink()
    with refuses(DataError, "panoptic_train2017.json", "Did you mean 'panoptic_val2017.json'"):
        make(root).setup("fit")


def test_all_entries_with_problems_are_told_and_the_other_images_read(tmp_path: Path) -> None:
    root = write_panoptic(tmp_path)

    def edit(contents: dict[str, Any]) -> None:
        for number, value in enumerate((0, 2**24, "x", None)):
            contents["annotations"][number]["segments_info"][0]["id"] = value

    path = change(root, "train", edit)
    problems = [*make(root).problems()]
    assert len(problems) == 4
    assert all(str(path) in text for text in problems)
    with refuses(DataError, str(path), "4 problems", "check-dataset COCOPanoptic --root"):
        make(root).setup("fit")
