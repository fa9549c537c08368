"""Predictions of panoptic segmentation: equal to a validation's, files, the methods of a result."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import supervision
import torch
from helpers.panoptic_evaluation import data_of
from helpers.refusals import refuses
from helpers.tiny_panoptic import sure_panoptic
from helpers.tiny_predict import write_pictures
from helpers.tiny_segments import CATEGORY_IDS, write_panoptic
from helpers.tiny_task import quiet_trainer
from helpers.validated import validated
from PIL import Image
from pycocotools import mask as mask_tools

from vision.annotations.panoptic import read_segment_ids
from vision.callbacks.results.panoptic_predictions import PanopticPredictions
from vision.contracts.segments import SegmentInfo
from vision.errors import ConfigError
from vision.metrics.panoptic_files import evaluate_panoptic
from vision.predict.job import predict_folder
from vision.predict.model import Model
from vision.predict.options import PredictOptions
from vision.predict.panoptic import PanopticResult
from vision.tasks.panoptic import PanopticSegmentation


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset whose images have two sizes."""
    root = write_panoptic(tmp_path_factory.mktemp("data"), counts={"train": 1, "val": 3})
    path = root / "val2017" / "000000000117.png"
    masks = root / "annotations" / "panoptic_val2017"
    for file in (path, masks / path.name):
        with Image.open(file) as image:
            cut = image.crop((0, 0, 30, 40))
        cut.save(file)
    listing = masks.with_suffix(".json")
    contents = json.loads(listing.read_text())
    contents["images"][2]["width"] = 30
    seen = set(np.unique(read_segment_ids(masks / path.name)).tolist())
    entries = contents["annotations"][2]
    entries["segments_info"] = [one for one in entries["segments_info"] if one["id"] in seen]
    listing.write_text(json.dumps(contents))
    return root


@pytest.fixture(scope="module")
def task() -> PanopticSegmentation:
    return sure_panoptic(class_names=["disc", "box", "sky", "grass"])


@pytest.mark.parametrize("canvas", [(64, 80), None])
def test_predict_equals_validation(
    root: Path,
    task: PanopticSegmentation,
    canvas: tuple[int, int] | None,
    tmp_path: Path,
) -> None:
    data = data_of(root, canvas=canvas)
    expected = validated(task, data, tmp_path)
    model = Model(task, task.describe())
    assert model.preprocessing == {
        "long_side": 56,
        "canvas": canvas and [*canvas],
        "antialias": True,
    }
    for batch_size in (1, 2):
        results = list(model.predict(root / "val2017", batch_size=batch_size))
        assert [result.path for result in results] == sorted(expected)
        for result in results:
            assert isinstance(result, PanopticResult)
            one = expected[str(result.path)]
            assert torch.equal(result.mask, one["mask"])
            assert result.segments == one["segments"]
    assert results[2].size == (40, 30)
    assert sum(map(len, results)) > 3, "the random model finds several segments"  # type: ignore[arg-type]


def test_a_folder_is_what_the_evaluation_reads(
    root: Path, task: PanopticSegmentation, tmp_path: Path
) -> None:
    data = data_of(root)
    trainer = quiet_trainer(tmp_path, callbacks=[PanopticPredictions(tmp_path / "callback")])
    trainer.predict(task, data, return_predictions=False)
    model = Model(task, task.describe())
    truth = root / "annotations" / "panoptic_val2017.json"
    options = PredictOptions(batch_size=2)
    summary = predict_folder(
        model, root / "val2017", tmp_path / "found", options, annotations=truth, pictures=False
    )
    assert {"panoptic.json", "panoptic"} <= {*summary.files}
    found = evaluate_panoptic(truth, tmp_path / "found" / "panoptic.json")
    expected = evaluate_panoptic(truth, tmp_path / "callback" / "panoptic.json")
    assert found.rows() == expected.rows()
    assert sum(found.false_positives) + sum(found.true_positives) > 3
    contents = json.loads((tmp_path / "found" / "panoptic.json").read_text())
    assert [one["id"] for one in contents["categories"]] == list(CATEGORY_IDS)
    assert [one["isthing"] for one in contents["categories"]] == [1, 1, 0, 0]


def two_segments() -> PanopticResult:
    """A disc on the left, grass on the right, nothing between."""
    mask = torch.zeros(10, 20, dtype=torch.int32)
    mask[2:8, :5], mask[:, 15:] = 1, 2
    segments: list[SegmentInfo] = [
        {"id": 1, "category_id": 0, "isthing": True},
        {"id": 2, "category_id": 3, "isthing": False},
    ]
    return PanopticResult(
        image=torch.full((3, 10, 20), 100, dtype=torch.uint8),
        path="b.jpg",
        index=1,
        names=("disc", "box", "sky", "grass"),
        mask=mask,
        segments=segments,
        palette=np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 9, 9]], np.uint8),
    )


def test_what_a_result_gives() -> None:
    result = two_segments()
    assert len(result) == 2
    assert repr(result) == "PanopticResult(b.jpg, 10 x 20: 1 disc, grass)"
    assert result.labels_found() == ["disc", "grass"]
    plain = json.loads(json.dumps(result.to_dict()))
    assert [(one["id"], one["label"], one["area"], one["box"]) for one in plain["segments"]] == [
        (1, 0, 30, [0, 2, 5, 8]),
        (2, 3, 50, [15, 0, 20, 10]),
    ]
    decoded = mask_tools.decode(plain["segments"][0]["segmentation"])
    assert np.array_equal(decoded, (result.mask == 1).numpy())
    (entry,) = result.to_coco(image_id=5, category_ids=[1, 2, 33, 44])
    assert (entry["image_id"], entry["file_name"]) == (5, "b.png")
    assert [one["category_id"] for one in entry["segments_info"]] == [1, 44]
    assert entry["segments_info"][1]["bbox"] == [15, 0, 5, 10]
    given = result.to_supervision()
    assert isinstance(given, supervision.Detections)
    assert given.class_id.tolist() == [0, 3]
    assert given.mask.sum(axis=(1, 2)).tolist() == [30, 50]
    solid = np.asarray(result.plot(opacity=1.0, names=False))
    assert (solid[5, 2] == (255, 0, 0)).all()
    assert result.plot().size == (520, 260)


def test_an_image_is_written_by_itself(tmp_path: Path) -> None:
    result = two_segments()
    path = result.save_coco(tmp_path / "new", image_id=7)
    assert path == tmp_path / "new" / "panoptic.json"
    assert np.array_equal(read_segment_ids(tmp_path / "new" / "panoptic" / "b.png"), result.mask)
    assert evaluate_panoptic(path, path).true_positives.tolist() == [1, 0, 0, 1]


def test_nothing_found_is_a_result_too(tmp_path: Path) -> None:
    result = two_segments()
    result.mask, result.segments = torch.zeros_like(result.mask), []
    assert repr(result) == "PanopticResult(b.jpg, 10 x 20: no segments)"
    assert result.to_dict()["segments"] == []
    assert len(result.to_supervision()) == 0
    assert result.plot().size == (520, 260)
    result.save_coco(tmp_path)


@pytest.mark.parametrize("canvas", [None, [64, 80]])
def test_thin_images_have_segments_too(task: PanopticSegmentation, canvas: Any) -> None:
    preprocessing = {"long_side": None if canvas is None else 64, "canvas": canvas}
    model = Model(task, {**task.describe(), "preprocessing": preprocessing})
    for shape in ((1, 40), (300, 2), (1, 1)):
        result = model.predict_image(np.full((*shape, 3), 200, np.uint8))
        assert isinstance(result, PanopticResult)
        assert result.mask.shape == shape


def test_tiles_are_refused_with_the_reason(task: PanopticSegmentation, tmp_path: Path) -> None:
    (path,) = write_pictures(tmp_path, ("a.png",))
    with refuses(ConfigError, "tile=32", "PanopticSegmentation", "edges of tiles", "one object"):
        Model(task, task.describe()).predict_image(path, tile=32)
