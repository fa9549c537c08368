"""Predictions of detection: equal to a validation's, and the methods of a result."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import supervision
import torch
from helpers.refusals import refuses
from helpers.tiny_coco import write_tiny_coco
from helpers.tiny_detection import tiny_detector
from helpers.tiny_predict import tiny_model
from helpers.tiny_task import quiet_trainer
from pycocotools import mask as mask_tools

from vision.data.datasets.coco import COCO
from vision.errors import CheckpointError, ConfigError
from vision.predict.detection import DetectionResult
from vision.predict.model import Model


@pytest.fixture(scope="module", params=["mask_rcnn", "mask_dino"])
def validated(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> tuple[Model, Path, dict[int, Any]]:
    """A model, its images, and what a validation found in them one by one, by image id."""
    root = tmp_path_factory.mktemp("coco")
    write_tiny_coco(root, images=4, size=(60, 80))
    data = COCO(root=root, short_side=64, long_side=96, batch_size=1, num_workers=0)
    queries = {"num_queries": 30, "max_per_image": 30}
    task = tiny_detector(
        detector=request.param, head_options=queries if request.param == "mask_dino" else {}
    )
    found: dict[int, Any] = {}

    def keep(_: str, outputs: Any, batch: Any) -> None:
        predictions = task._predictions(outputs, batch)
        found.update(zip(batch["image_id"].tolist(), predictions, strict=True))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(task, "evaluate", keep)
        patch.setattr(task, "end_evaluation", lambda stage: None)
        quiet_trainer(root).validate(task, data, verbose=False)
    return Model(task, task.describe()), root / "val2017", found


@pytest.mark.parametrize("batch_size", [1, 3])
def test_predict_equals_validation(
    batch_size: int, validated: tuple[Model, Path, dict[int, Any]]
) -> None:
    model, folder, expected = validated
    results = list(model.predict(folder, batch_size=batch_size, threshold=0.0))
    assert [int(Path(str(result.path)).stem) for result in results] == sorted(expected)
    assert {result.size for result in results} == {(60, 80), (80, 60)}
    for result in results:
        assert isinstance(result, DetectionResult)
        assert result.masks is not None
        one = expected[int(Path(str(result.path)).stem)]
        assert len(result) == len(one["scores"]) > 20
        torch.testing.assert_close(result.scores, one["scores"], rtol=0, atol=1e-5)
        torch.testing.assert_close(result.boxes, one["boxes"], rtol=1e-5, atol=1e-4)
        assert torch.equal(result.labels, one["labels"])
        # A pixel of the mask's border may be either way.
        assert (result.masks != one["masks"]).float().mean() < 1e-4


def test_the_threshold_keeps_the_best(validated: tuple[Model, Path, dict[int, Any]]) -> None:
    model, folder, _ = validated
    path = sorted(folder.iterdir())[0]
    every = model.predict_image(path, threshold=0.0)
    limit = float(every.scores[5])  # type: ignore[attr-defined]
    some = model.predict_image(path, threshold=limit)
    assert 6 <= len(some) < len(every)  # type: ignore[arg-type]
    assert torch.equal(some.boxes, every.boxes[: len(some)])  # type: ignore[attr-defined, arg-type]


def a_result(**changes: Any) -> DetectionResult:
    masks = torch.zeros(2, 30, 40, dtype=torch.bool)
    masks[0, 5:15, 10:20] = True
    masks[1, 20:22, 3:9] = True
    options: dict[str, Any] = {
        "image": torch.full((3, 30, 40), 90, dtype=torch.uint8),
        "path": None,
        "index": 2,
        "names": ("x", "y", "z"),
        "boxes": torch.tensor([[10.0, 5, 20, 15], [3, 20, 9, 22]]),
        "labels": torch.tensor([2, 0]),
        "scores": torch.tensor([0.75, 0.5]),
        "masks": masks,
    }
    return DetectionResult(**{**options, **changes})


def test_what_a_result_gives(tmp_path: Path) -> None:
    result = a_result()
    assert repr(result) == "DetectionResult(image 2, 30 x 40: 1 z, 1 x)"
    plain = json.loads(json.dumps(result.to_dict()))
    assert plain["objects"][0]["box"] == [10, 5, 20, 15]
    assert [one["name"] for one in plain["objects"]] == ["z", "x"]
    assert "segmentation" not in result.to_dict(masks=False)["objects"][0]
    coco = json.loads(json.dumps(result.to_coco(image_id=9, category_ids=[3, 7, 90])))
    assert [(one["image_id"], one["category_id"], one["score"]) for one in coco] == [
        (9, 90, 0.75),
        (9, 3, 0.5),
    ]
    assert coco[0]["bbox"] == [10, 5, 10, 10]
    decoded = mask_tools.decode(coco[1]["segmentation"]).astype(bool)
    assert np.array_equal(decoded, result.masks[1].numpy())  # type: ignore[index]
    assert result.to_coco()[0]["image_id"] == 2
    with refuses(ConfigError, "category_ids", "1"):
        result.to_coco(category_ids=[3])
    drawn = np.asarray(result.plot())
    assert drawn.shape == (30 * 13, 40 * 13, 3)
    assert (drawn != 90).any()
    assert (np.asarray(result.plot(threshold=0.9)) == 90).all()


@pytest.mark.parametrize("count", [2, 0])
def test_supervision_has_the_same(count: int) -> None:
    whole = a_result()
    result = a_result(
        boxes=whole.boxes[:count],
        labels=whole.labels[:count],
        scores=whole.scores[:count],
        masks=whole.masks[:count],  # type: ignore[index]
    )
    given = result.to_supervision()
    assert isinstance(given, supervision.Detections)
    assert len(given) == count
    assert np.array_equal(given.xyxy, result.boxes.numpy())
    assert np.array_equal(given.mask, result.masks.numpy())  # type: ignore[union-attr]
    assert given.data["class_name"].tolist() == ["z", "x"][:count]
    assert a_result(masks=None).to_supervision().mask is None


def test_preprocessing_of_another_task_is_named() -> None:
    model = tiny_model("detection")
    model.description["preprocessing"] = {"image_size": 32}
    with pytest.raises(CheckpointError, match="image_size"):
        model.predict("a.jpg")
