"""Predictions of segmentation: equal to a validation's, windows, the methods of a result."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import supervision
import torch
from helpers.tiny_masks import COLORS, write_mask_folder
from helpers.tiny_predict import tiny_model, write_pictures
from helpers.tiny_segmentation import tiny_segmentor
from helpers.validated import validated
from pycocotools import mask as mask_tools

from vision.data.datasets.mask_folder import MaskFolder
from vision.ops.dense_inference import InferenceOptions
from vision.ops.label_images import read_labels
from vision.predict.model import Model
from vision.predict.segmentation import SegmentationResult
from vision.tasks.segmentation import Segmentation


def test_predict_equals_validation(tmp_path: Path) -> None:
    write_mask_folder(tmp_path, counts={"train": 1, "val": 2})
    write_mask_folder(tmp_path / "wide", counts={"val": 3}, size=(30, 70))
    for part in ("images", "masks"):  # a third image, of another size
        (tmp_path / "wide" / part / "val" / "2.png").rename(tmp_path / part / "val" / "2.png")
    data = MaskFolder(root=tmp_path, short_side=48, long_side=100, batch_size=3, num_workers=0)
    task = tiny_segmentor(num_classes=3)
    expected = validated(task, data, tmp_path)
    model = Model(task, task.describe())
    for batch_size in (1, 2):
        results = list(model.predict(tmp_path / "images" / "val", batch_size=batch_size))
        assert [result.path for result in results] == sorted(expected)
        for result in results:
            assert isinstance(result, SegmentationResult)
            assert torch.equal(result.mask, expected[str(result.path)]["mask"])
    assert results[2].size == (30, 70)
    assert len(results[0]) > 1, "the random model finds several classes"


def test_tiles_are_windows_in_the_original_size(tmp_path: Path) -> None:
    model = tiny_model("segmentation")
    (path,) = write_pictures(tmp_path, ("a.png",), (70, 90))
    tiled = model.predict_image(path, tile=(48, 64), overlap=0.25)
    task = model.task
    assert isinstance(task, Segmentation)
    assert task.inference.mode == "whole", "the model's own settings stay"
    task.inference = InferenceOptions(mode="slide", window=(48, 64), stride=(36, 48))
    size = torch.tensor([[70, 90]])
    images = task.normalize(tiled.image[None])
    batch: Any = {"image": images, "size": size, "original_size": size, "path": [""]}
    with torch.no_grad():
        assert torch.equal(tiled.mask, task.run(batch)[0]["mask"])  # type: ignore[attr-defined]


def test_an_image_in_one_tile_is_as_without(tmp_path: Path) -> None:
    model = tiny_model("segmentation")
    (path,) = write_pictures(tmp_path, ("a.png",))
    with_tile, without = model.predict_image(path, tile=60), model.predict_image(path)
    assert torch.equal(with_tile.mask, without.mask)  # type: ignore[attr-defined]


def test_what_a_result_gives(tmp_path: Path) -> None:
    mask = torch.zeros(10, 20, dtype=torch.int64)
    mask[:, 15:] = 2
    image = torch.full((3, 10, 20), 100, dtype=torch.uint8)
    result = SegmentationResult(
        image=image, path="b.png", index=1, names=("x", "y", "z"), mask=mask, palette=COLORS
    )
    assert result.shares() == {"x": 0.75, "z": 0.25}
    assert repr(result) == "SegmentationResult(b.png, 10 x 20: 75% x, 25% z)"
    plain = json.loads(json.dumps(result.to_dict()))
    assert [(one["label"], one["share"]) for one in plain["classes"]] == [(0, 0.75), (2, 0.25)]
    coco = result.to_coco(image_id=5, category_ids=[1, 2, 33])
    assert [(one["image_id"], one["category_id"]) for one in coco] == [(5, 1), (5, 33)]
    assert np.array_equal(mask_tools.decode(coco[1]["segmentation"]), (mask == 2).numpy())
    given = result.to_supervision()
    assert isinstance(given, supervision.Detections)
    assert given.class_id.tolist() == [0, 2]
    assert given.xyxy.tolist() == [[0, 0, 15, 10], [15, 0, 20, 10]]
    assert given.mask.sum(axis=(1, 2)).tolist() == [150, 50]
    assert result.plot().size == (20, 10)
    solid = np.asarray(result.plot(opacity=1.0))
    assert (solid[0, 19] == COLORS[2]).all()


def test_label_maps_hold_the_classes(tmp_path: Path) -> None:
    model = tiny_model("segmentation")
    (path,) = write_pictures(tmp_path, ("a.png",))
    result = model.predict_image(path)
    line = model.predictor.write(result, tmp_path, "sub/a")
    assert line["mask"] == "masks/sub/a.png"
    assert np.array_equal(read_labels(tmp_path / line["mask"]), result.mask.numpy())  # type: ignore[attr-defined]
    assert "segmentation" not in line["classes"][0]


@pytest.mark.parametrize("shape", [(1, 40), (300, 2), (1, 1)])
@pytest.mark.parametrize("tile", [None, 50])
def test_thin_images_have_classes_too(shape: tuple[int, int], tile: int | None) -> None:
    model = tiny_model("segmentation")
    result = model.predict_image(np.full((*shape, 3), 200, np.uint8), tile=tile)
    assert isinstance(result, SegmentationResult)
    assert result.mask.shape == shape
    assert sum(result.shares().values()) == pytest.approx(1)
