"""Files of detections in COCO's format."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.random_coco import judge, predictions_of, random_case
from helpers.tiny_task import TinyData, quiet_trainer, tiny_task
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor
from torch.utils.data import DataLoader

from vision.callbacks.results.coco_predictions import CocoPredictions, DetectionResults
from vision.errors import ConfigError
from vision.metrics.coco.metric import CocoEvaluator, CocoResult, evaluate_coco


class Data(LightningDataModule):
    """Images by their numbers only; the first comes twice, at the end, as filling."""

    def __init__(self, truth: dict[str, Any]) -> None:
        super().__init__()
        self.category_ids = np.array([one["id"] for one in truth["categories"]])
        ids = [image["id"] for image in truth["images"]]
        self.batches: list[dict[str, Any]] = [
            {"image_id": torch.tensor(ids[i : i + 2])} for i in range(0, len(ids), 2)
        ]
        self.filled = [*self.batches, {**self.batches[0], "repeated": True}]

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.batches[:1], batch_size=None)  # type: ignore[arg-type]

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.batches, batch_size=None)  # type: ignore[arg-type]

    def predict_dataloader(self) -> DataLoader:
        return DataLoader(self.filled, batch_size=None)  # type: ignore[arg-type]


class Detector(LightningModule):
    """Knows its predictions; from epoch to epoch the monitored metric goes through `values`."""

    monitor = ("val/box_AP", "max")

    def __init__(self, truth: Any, found: list[Any], values: list[float], masks: bool) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.truth, self.values = truth, values
        self.found = [
            dict(zip(*predictions_of(truth, results, masks=masks), strict=True))
            for results in found
        ]
        self.evaluator = CocoEvaluator(masks=masks)
        self.coco_result: CocoResult | None = None

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        return self.weight**2

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)

    def predict_step(self, batch: dict[str, Any], batch_idx: int) -> list[Any]:
        found = self.found[self.current_epoch]
        return [found[image] for image in batch["image_id"].tolist()]

    def on_validation_epoch_start(self) -> None:
        self.evaluator.reset()

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        self.evaluator.update(batch["image_id"], self.predict_step(batch, batch_idx))

    def on_validation_epoch_end(self) -> None:
        ids = self.trainer.datamodule.category_ids  # type: ignore[attr-defined]
        self.coco_result = self.evaluator.compute(self.truth, ids)
        self.log("val/box_AP", self.values[self.current_epoch])


def detector(masks: bool = True, epochs: int = 1, values: Any = (0.5,)) -> tuple[Detector, Data]:
    truth, results = random_case(7, images=6)
    found = [results[5 * epoch :] for epoch in range(epochs)]
    return Detector(truth, found, list(values), masks), Data(truth)


@pytest.mark.parametrize("masks", [True, False])
def test_predict_writes_what_the_evaluation_server_takes(tmp_path: Path, masks: bool) -> None:
    path = tmp_path / "new" / "test-dev.json"
    model, data = detector(masks)
    trainer = quiet_trainer(tmp_path, callbacks=[CocoPredictions(path)])
    for _ in range(2):  # a second run replaces the first
        trainer.predict(model, data)
    results = json.loads(path.read_text())
    predictions = model.found[0]
    assert len(results) == sum(len(one["labels"]) for one in predictions.values()) > 0
    keys = ["image_id", "category_id", "bbox", "score", *(["segmentation"] if masks else [])]
    for image, one in predictions.items():
        rows = [row for row in results if row["image_id"] == image]
        assert [np.float32(row["score"]) for row in rows] == one["scores"].tolist()
        assert [row["category_id"] for row in rows] == data.category_ids[one["labels"]].tolist()
        for row, box in zip(rows, one["boxes"].double().tolist(), strict=True):
            assert list(row) == keys
            assert row["bbox"] == [box[0], box[1], box[2] - box[0], box[3] - box[1]]
    assert [path.name for path in path.parent.iterdir()] == ["test-dev.json"]
    # pycocotools reads them.
    for kind in ("bbox", "segm") if masks else ("bbox",):
        assert judge(model.truth, str(path), kind)[0][0] > 0


def test_data_without_category_ids_are_refused_at_once(tmp_path: Path) -> None:
    trainer = quiet_trainer(tmp_path, callbacks=[CocoPredictions(tmp_path / "found.json")])
    with pytest.raises(ConfigError, match="no category_ids"):
        trainer.predict(tiny_task(), TinyData(val=4))


@pytest.mark.parametrize("masks", [True, False])
def test_the_files_of_a_validation_agree_with_each_other(tmp_path: Path, masks: bool) -> None:
    model, data = detector(masks)
    folder = tmp_path / "results"
    trainer = quiet_trainer(tmp_path, callbacks=[DetectionResults(folder)])
    trainer.validate(model, data, verbose=False)
    assert sorted(path.name for path in folder.iterdir()) == [
        "categories.csv",
        "metrics.json",
        "predictions.json",
    ]
    metrics = json.loads((folder / "metrics.json").read_text())
    again = evaluate_coco(model.truth, folder / "predictions.json")
    for kind in ("bbox", "segm") if masks else ("bbox",):
        # The same bits, equal to pycocotools on the file.
        assert metrics[kind] == again.stats[kind].tolist()
        expected = judge(model.truth, str(folder / "predictions.json"), kind)[0]
        np.testing.assert_allclose(metrics[kind], expected, rtol=0, atol=1e-12)
    with (folder / "categories.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["id"]) for row in rows] == [2, 7, 40, 90]
    assert [float(row["box_AP"]) for row in rows] == [
        row["box_AP"] for row in metrics["categories"]
    ]
    assert ("mask_AP" in rows[0]) == masks


def test_training_keeps_the_files_of_the_best_epoch(tmp_path: Path) -> None:
    values = (0.2, 0.6, 0.6, 0.1)
    model, data = detector(epochs=4, values=values)
    callback = DetectionResults(tmp_path / "results")
    trainer = quiet_trainer(tmp_path, callbacks=[callback], max_epochs=4)
    trainer.fit(model, data)
    written = json.loads((tmp_path / "results" / "predictions.json").read_text())
    sizes = [sum(len(one["labels"]) for one in found.values()) for found in model.found]
    assert sizes.count(sizes[1]) == 1
    assert len(written) == sizes[1]
    assert callback.state_dict() == {"best": pytest.approx(0.6)}
    # A training that goes on does not put worse files in their place.
    other = DetectionResults(tmp_path / "results")
    other.load_state_dict(callback.state_dict())
    model, data = detector(epochs=1, values=(0.3,))
    quiet_trainer(tmp_path, callbacks=[other], max_epochs=1).fit(model, data)
    assert json.loads((tmp_path / "results" / "predictions.json").read_text()) == written


def test_the_sanity_check_writes_nothing(tmp_path: Path) -> None:
    model, data = detector()
    folder = tmp_path / "results"
    trainer = quiet_trainer(
        tmp_path,
        callbacks=[DetectionResults(folder)],
        max_epochs=1,
        num_sanity_val_steps=1,
        limit_train_batches=0,
    )
    trainer.fit(model, data)
    assert not folder.exists()
