import logging
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_boxes import (
    HEIGHT,
    NAMES,
    WIDTH,
    YOLO_BOXES,
    YOLO_LINES,
    YOLO_POLYGONS,
    write_image,
    write_yolo,
)
from PIL import Image
from pycocotools import coco
from pycocotools import mask as coco_mask

from vision.data import YOLO
from vision.data.transforms.detection_options import DetectionAugment
from vision.errors import DataError


def make(root: Path, **options: object) -> YOLO:
    return YOLO(**{"root": root, "short_side": 40, "num_workers": 0, **options})


def coco_of(contents: dict) -> coco.COCO:
    """The contents of a COCO file, indexed by pycocotools."""
    file = coco.COCO()
    file.dataset = contents
    file.createIndex()
    return file


def test_boxes_in_pixels_are_those_worked_by_hand(tmp_path: Path) -> None:
    data = make(write_yolo(tmp_path))
    assert data.class_names == NAMES
    index = data.index("train")
    assert [index.paths[i] for i in range(4)] == [f"images/train/{name}.jpg" for name in "abcd"]
    assert index.sizes.tolist() == [[HEIGHT, WIDTH]] * 4
    assert np.diff(index.starts).tolist() == [2, 1, 0, 0]
    boxes = YOLO_BOXES["train/a"] + YOLO_BOXES["train/b"]
    np.testing.assert_allclose(index.boxes, boxes, atol=1e-5)
    assert index.labels.tolist() == [0, 2, 1]
    np.testing.assert_allclose(index.areas, [600, 48, 90], rtol=1e-5)
    assert not index.has_masks
    assert not index.crowd.any()


def test_as_coco_the_dataset_is_the_same_for_pycocotools(tmp_path: Path) -> None:
    data = make(write_yolo(tmp_path, {**YOLO_POLYGONS, "val/f": None}), masks=True)
    file = coco_of(data.ground_truth("val"))
    assert sorted(file.imgs) == [1, 2]
    assert [file.cats[i]["name"] for i in sorted(file.cats)] == list(NAMES)
    (annotation,) = file.loadAnns(file.getAnnIds(imgIds=[1]))
    assert file.getAnnIds(imgIds=[2]) == []
    assert file.cats[annotation["category_id"]]["name"] == "egg"
    np.testing.assert_allclose(annotation["bbox"], [30, 20, 24, 16], atol=1e-4)
    # The rectangle from (30, 20) to (54, 36).
    expected = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    expected[20:36, 30:54] = 1
    np.testing.assert_array_equal(file.annToMask(annotation), expected)
    assert annotation["area"] == pytest.approx(expected.sum())
    triangle = data.index("train").segments.get(0)
    runs = coco_mask.frPyObjects([triangle[0].ravel().tolist()], HEIGHT, WIDTH)
    assert coco_mask.area(runs)[0] == pytest.approx(data.index("train").areas[0], rel=0.1)


def test_yolo_lines_come_back_from_coco(tmp_path: Path) -> None:
    file = coco_of(make(write_yolo(tmp_path)).index("train").ground_truth())
    lines = {}
    for number, image in file.imgs.items():
        stem = Path(image["file_name"]).stem
        lines[stem] = []
        for annotation in file.loadAnns(file.getAnnIds(imgIds=[number])):
            x, y, w, h = annotation["bbox"]
            numbers = [(x + w / 2) / WIDTH, (y + h / 2) / HEIGHT, w / WIDTH, h / HEIGHT]
            lines[stem].append([annotation["category_id"], *numbers])
    np.testing.assert_allclose(
        lines["a"], [[float(x) for x in row.split()] for row in YOLO_LINES["train/a"]], atol=1e-6
    )
    assert lines["c"] == lines["d"] == []


def test_samples_of_every_stage(tmp_path: Path) -> None:
    data = make(write_yolo(tmp_path))
    for stage in ("fit", "test", "predict"):
        data.setup(stage)
    assert data.train_size == 2  # two images without objects are left out
    sample = data.val_dataset[0]
    assert sample["image"].shape == (3, 40, 60)
    np.testing.assert_allclose(sample["target"]["boxes"], YOLO_BOXES["val/e"], atol=1e-4)
    assert data.predict_dataset[0]["path"].endswith("images/val/e.jpg")
    assert make(tmp_path, keep_empty=True).index("train") is not None
    assert len(pickle.dumps(data.train_dataset)) < 20_000


def test_masks_of_polygons(tmp_path: Path) -> None:
    lines = {split: YOLO_POLYGONS["val/e"] for split in ("train/e", "val/e")}
    root = write_yolo(tmp_path, lines)
    data = make(root, augment=DetectionAugment(short_sides=(40,), hflip=0.0))
    data.setup("fit")
    mask = data.train_dataset[0]["target"]["masks"]
    assert mask.shape == (1, HEIGHT, WIDTH)
    assert mask[0, 20:36, 30:54].all()
    assert int(mask.sum()) == 16 * 24
    assert not make(root, masks=False).index("val").has_masks


def test_a_box_among_polygons_leaves_boxes_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lines = {**YOLO_POLYGONS, "train/b": ["1 0.5 0.5 0.5 0.5", "1 0.5 0.5 0.5 0.5"]}
    data = make(write_yolo(tmp_path, lines))
    with caplog.at_level(logging.WARNING):
        index = data.index("train")
    assert not index.has_masks
    assert "only 2 of 3 objects have an outline" in caplog.text
    assert "dropped 1 duplicate" in caplog.text


def test_a_test_set_and_images_to_predict(tmp_path: Path) -> None:
    root = write_yolo(tmp_path / "data")
    write_image(root / "images" / "test" / "t.png")
    text = (root / "data.yaml").read_text()
    (root / "data.yaml").write_text(text.replace("test:\n", "test: images/test\n"))
    write_image(tmp_path / "new" / "x" / "n.png", size=(20, 30))
    data = make(root, predict_root=tmp_path / "new")
    with refuses(DataError, "'test'", "t.txt", "0", "1 such"):
        data.setup("test")
    (root / "labels" / "test").mkdir()
    (root / "labels" / "test" / "t.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    data = make(root, predict_root=tmp_path / "new")
    data.setup("test")
    data.setup("predict")
    assert len(data.test_dataset) == 1
    assert len(data.test_dataset[0]["target"]["boxes"]) == 1
    assert data.predict_dataset[0]["path"] == str(tmp_path / "new" / "x" / "n.png")
    assert data.predict_dataset[0]["original_size"].tolist() == [20, 30]
    with refuses(DataError, "has no 'nowhere'"):
        make(root, predict_root=tmp_path / "nowhere").setup("predict")


def test_the_first_wrong_line_ends_a_run_and_says_how_to_see_all(tmp_path: Path) -> None:
    root = write_yolo(tmp_path, {**YOLO_LINES, "train/b": ["7 0.5 0.5 0.5 0.5", "0 1 2"]})
    data = make(root)
    with pytest.raises(DataError) as caught:
        data.setup("fit")
    message = str(caught.value)
    assert f"'{root / 'labels' / 'train' / 'b.txt'}', line 1: class 7" in message
    assert f"vision check-dataset YOLO --root {root}" in message
    assert len(message.splitlines()) == 2


def test_an_image_that_a_list_names_but_is_absent(tmp_path: Path) -> None:
    root = write_yolo(tmp_path)
    (root / "val.txt").write_text("./images/val/e.jpg\n./images/val/gone.jpg\n")
    text = (root / "data.yaml").read_text().replace("val: images/val", "val: val.txt")
    (root / "data.yaml").write_text(text)
    with refuses(DataError, "image", "gone.jpg"):
        make(root).setup("validate")


def test_a_turned_photograph_has_the_size_that_is_seen(tmp_path: Path) -> None:
    root = write_yolo(tmp_path, {"train/a": ["0 0.5 0.5 0.5 0.5"], "val/e": []})
    path = root / "images" / "train" / "a.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(path) as image:
        image.save(path, exif=exif)
    index = make(root).index("train")
    assert index.sizes.tolist() == [[WIDTH, HEIGHT]]
    np.testing.assert_allclose(index.boxes, [[10, 15, 30, 45]], atol=1e-5)


def test_polygons_are_pasted_and_boxes_are_not(tmp_path: Path) -> None:
    augment = DetectionAugment(short_sides=(HEIGHT,), copy_paste=1.0)
    polygons = {**YOLO_POLYGONS, "train/b": ["1 0.8 0.1 1.0 0.1 1.0 0.3 0.8 0.3"]}
    data = make(write_yolo(tmp_path / "polygons", polygons), augment=augment)
    data.setup("fit")
    torch.manual_seed(0)
    targets = [data.train_dataset[0]["target"] for _ in range(12)]
    pasted = [one for one in targets if NAMES.index("egg") in one["labels"]]
    assert 2 <= len(pasted) <= 10
    for one in targets:
        assert one["labels"][:2].tolist() == [0, 2]  # its own, which the other does not reach
        assert len(one["masks"]) == len(one["labels"])
    data = make(write_yolo(tmp_path / "boxes"), augment=augment)
    with refuses(DataError, "augment.copy_paste", "only boxes", "augment.mosaic"):
        data.setup("fit")
