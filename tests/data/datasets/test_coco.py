import json
import pickle
from pathlib import Path

import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_coco import CATEGORIES, FIRST_ID, ID_STEP, write_tiny_coco

from vision.data import COCO
from vision.data.check.report import summary_lines
from vision.data.files.mapped_arrays import is_mapped
from vision.data.transforms.detection_options import DetectionAugment
from vision.errors import ConfigError, DataError

SMALL = {
    "augment": DetectionAugment(short_sides=(64,), long_side=107),
    "short_side": 64,
    "num_workers": 0,
    "cache_dir": None,
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("coco")
    write_tiny_coco(root)
    return root


@pytest.fixture
def own(tmp_path: Path) -> Path:
    write_tiny_coco(tmp_path, images=4, masks=False)
    return tmp_path


def test_the_official_layout_is_read_by_its_root(root: Path) -> None:
    data = COCO(root=root, **SMALL)
    for stage in ("fit", "validate", "test", "predict"):
        data.setup(stage)
    assert data.class_names == tuple(CATEGORIES.values())
    assert data.category_ids.tolist() == list(CATEGORIES)
    assert data.ground_truth("val") == root / "annotations/instances_val2017.json"
    assert data.ground_truth("test") == data.ground_truth("val")
    first = {
        split: int(dataset[0]["image_id"])
        for split, dataset in [
            ("train", data.train_dataset),
            ("val", data.val_dataset),
            ("test", data.predict_dataset),
        ]
    }
    assert first == FIRST_ID
    assert len(data.test_dataset) == 6


def test_predicting_falls_back_to_the_validation_images(own: Path) -> None:
    (own / "annotations/image_info_test-dev2017.json").unlink()
    data = COCO(root=own, **SMALL)
    data.setup("predict")
    sample = data.predict_dataset[0]
    assert sample["path"] == str(own / "val2017" / f"{FIRST_ID['val']:012d}.jpg")
    assert "target" not in sample


def test_any_dataset_is_read_by_paths(root: Path) -> None:
    data = COCO(
        train_annotations=root / "annotations/instances_val2017.json",
        train_images=root / "val2017",
        val_annotations=root / "annotations/instances_train2017.json",
        val_images=root / "train2017",
        predict_annotations=str(root / "annotations/image_info_test-dev2017.json"),
        predict_images=str(root / "test2017"),
        **SMALL,
    )
    for stage in ("fit", "predict"):
        data.setup(stage)
    assert int(data.train_dataset[0]["image_id"]) == FIRST_ID["val"]
    assert int(data.val_dataset[0]["image_id"]) == FIRST_ID["train"]
    assert int(data.predict_dataset[0]["image_id"]) == FIRST_ID["test"]


def test_a_path_takes_the_place_of_one_in_the_root(root: Path) -> None:
    path = root / "annotations/instances_train2017.json"
    data = COCO(root=root, val_annotations=path, val_images=root / "train2017", **SMALL)
    assert data.ground_truth("val") == path
    data.setup("validate")
    assert int(data.val_dataset[0]["image_id"]) == FIRST_ID["train"]


def test_a_validation_set_alone_can_be_evaluated(own: Path) -> None:
    (own / "annotations/instances_train2017.json").unlink()
    data = COCO(root=own, **SMALL)
    data.prepare_data()
    data.setup("validate")
    assert data.class_names == tuple(CATEGORIES.values())
    assert len(data.val_dataset) == 4
    with refuses(DataError, "annotation", "instances_train2017.json"):
        data.setup("fit")


def test_absent_files_are_told_with_the_expected_tree(own: Path) -> None:
    with pytest.raises(DataError, match=r"no folder '.*nowhere'(?s:.*)ROOT/annotations/instances_"):
        COCO(root=own / "nowhere", **SMALL).setup("fit")
    path = own / "annotations/instances_val2017.json"
    path.rename(path.with_name("instances_val2014.json"))
    with pytest.raises(DataError) as caught:
        COCO(root=own, **SMALL).setup("validate")
    message = str(caught.value)
    assert "has annotations, test2017, train2017, val2017" in message
    assert "Did you mean 'instances_val2014.json'" in message
    assert "ROOT/{train,val}2017/*.jpg" in message
    with refuses(DataError, "annotation", "'mine.json'"):
        COCO(
            root=own, predict_annotations="mine.json", predict_images=own / "test2017", **SMALL
        ).setup("predict")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, ("set root",)),
        ({"train_images": "x"}, ("train_annotations",)),
        ({"predict_annotations": "x.json"}, ("predict_images",)),
    ],
)
def test_paths_that_are_not_enough_are_told(
    options: dict[str, str], message: tuple[str, ...]
) -> None:
    with refuses(ConfigError, *message):
        COCO(**options)


def test_a_split_without_paths_is_told(root: Path) -> None:
    data = COCO(
        val_annotations=root / "annotations/instances_val2017.json",
        val_images=root / "val2017",
        **SMALL,
    )
    data.setup("validate")
    with refuses(ConfigError, "train_annotations", "train_images"):
        data.setup("fit")


def test_an_error_in_the_annotations_names_the_line_that_lists_all(own: Path) -> None:
    path = own / "annotations/instances_val2017.json"
    contents = json.loads(path.read_text())
    contents["annotations"][0]["category_id"] = 1
    path.write_text(json.dumps(contents))
    with pytest.raises(DataError) as caught:
        COCO(root=own, val_images=own / "a b", **SMALL).setup("validate")
    message = str(caught.value)
    assert "its category_id 1 is not listed in 'categories'" in message
    assert f"check-dataset COCO --root {own} --val_images '{own}/a b'` lists all" in message


def test_annotations_are_kept_for_the_next_start(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    options = {key: value for key, value in SMALL.items() if key != "cache_dir"}

    def batch_of_first_start() -> torch.Tensor:
        data = COCO(root=own, **options)
        data.prepare_data()
        data.setup("fit")
        return next(iter(data.train_dataloader()))["image"]

    first = batch_of_first_start()
    entries = {path: path.stat().st_mtime_ns for path in tmp_path.glob("cache/vision/*/*/*")}
    assert entries
    monkeypatch.setattr("vision.data.formats.coco.read_tables", lambda *_: pytest.fail("parsed"))
    assert torch.equal(batch_of_first_start(), first)
    assert {path: path.stat().st_mtime_ns for path in entries} == entries
    with pytest.raises(pytest.fail.Exception, match="parsed"):
        COCO(root=own, **{**options, "cache_dir": ""}).setup("fit")


def test_a_dataset_from_the_cache_is_pickled_by_path(own: Path, tmp_path: Path) -> None:
    def pickled(cache_dir: Path | None) -> bytes:
        data = COCO(root=own, **{**SMALL, "cache_dir": cache_dir})
        data.setup("validate")
        return pickle.dumps(data.val_dataset)

    kept = pickled(tmp_path / "cache")
    dataset = pickle.loads(kept)
    assert is_mapped(dataset.index.boxes)
    assert kept.count(b".npy") == 18  # all arrays
    assert [int(sample["image_id"]) for sample in dataset] == [
        FIRST_ID["val"] + i * ID_STEP for i in range(4)
    ]
    assert b".npy" not in pickled(None)


def test_a_check_counts_the_boxes_that_it_clips(own: Path) -> None:
    path = own / "annotations/instances_train2017.json"
    contents = json.loads(path.read_text())
    for annotation in contents["annotations"][:2]:
        annotation["bbox"] = [-20, 10, 40, 400]
    path.write_text(json.dumps(contents))
    data = COCO(root=own, clip_boxes=True, **SMALL)
    assert list(data.problems()) == []
    summary = data.summary()
    assert summary["train"]["clipped_boxes"] == 2
    assert "clipped_boxes" not in summary["val"]
    (line, *_) = summary_lines(summary, "images")
    assert "2 clipped boxes" in line
    refused = list(COCO(root=own, **SMALL).problems())
    assert sum("clip_boxes: true" in problem for problem in refused) == 2


def test_labels_do_not_depend_on_the_order_in_the_file(own: Path) -> None:
    path = own / "annotations/instances_val2017.json"
    contents = json.loads(path.read_text())
    before = COCO(root=own, **SMALL).index("val").ground_truth()
    for key in ("images", "annotations", "categories"):
        contents[key].reverse()
    path.write_text(json.dumps(contents))
    assert COCO(root=own, **SMALL).index("val").ground_truth() == before
