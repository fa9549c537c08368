"""Predictions of classification: equal to a validation's, and the methods of a result."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import supervision
import torch
from helpers.refusals import refuses
from helpers.tiny_predict import image_of, tiny_model, write_pictures
from helpers.tiny_task import quiet_trainer, tiny_task

from vision.data.datasets.image_folder import ImageFolder
from vision.errors import ConfigError
from vision.predict.classification import ClassificationResult
from vision.predict.model import Model


def test_predict_equals_validation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = tuple(
        f"{split}/{c}/{i}.png" for split in ("train", "val") for c in "abc" for i in (0, 1)
    )
    write_pictures(tmp_path, names)
    write_pictures(tmp_path, ("val/a/wide.jpg",), (20, 300))
    data = ImageFolder(root=tmp_path, image_size=32, crop=0.7, batch_size=4, num_workers=0)
    task = tiny_task(num_classes=3)
    seen: list[torch.Tensor] = []
    monkeypatch.setattr(task, "evaluate", lambda _, outputs, batch: seen.append(outputs["logits"]))
    quiet_trainer(tmp_path).validate(task, data, verbose=False)
    expected = torch.cat(seen).softmax(dim=1)

    model = Model(task, task.describe())
    assert model.description["preprocessing"] == data.preprocessing
    for batch_size in (1, 3):
        results = list(model.predict(tmp_path / "val", batch_size=batch_size))
        found = torch.stack([result.scores for result in results])
        assert len(results) == 7
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    for result in results:
        assert isinstance(result, ClassificationResult)
        assert result.name == "abc"[result.label]
        assert np.array_equal(result.image.permute(1, 2, 0).numpy(), image_of(result.path))


def test_what_a_result_gives(tmp_path: Path) -> None:
    scores = torch.tensor([0.1, 0.6, 0.3])
    image = torch.zeros(3, 20, 30, dtype=torch.uint8)
    result = ClassificationResult(
        image=image, path="a.jpg", index=4, names=("x", "y", "z"), label=1, scores=scores
    )
    assert (result.name, result.size, len(result)) == ("y", (20, 30), 3)
    assert result.top(2) == [("y", pytest.approx(0.6)), ("z", pytest.approx(0.3))]
    assert json.loads(json.dumps(result.to_dict()))["top"][0]["name"] == "y"
    assert result.to_dict()["index"] == 4
    assert repr(result) == "ClassificationResult(a.jpg, 20 x 30: y 60.0%)"
    with pytest.raises(ConfigError, match="to_dict"):
        result.to_coco()
    given = result.to_supervision()
    assert isinstance(given, supervision.Classifications)
    assert given.class_id.tolist() == [1, 2, 0]
    assert given.get_top_k(1)[0].tolist() == [1]
    # The image is drawn whole above the names, enlarged by a whole number.
    assert result.plot(top=2).size[0] == 330
    assert result.save(tmp_path / "new" / "a.png").is_file()


def test_without_preprocessing_the_backbone_says_it(caplog: pytest.LogCaptureFixture) -> None:
    model = tiny_model("classification")
    model.task.preprocessing = None
    model = Model(model.task, model.task.describe())
    image = np.zeros((50, 40, 3), np.uint8)
    for _ in range(2):
        model.predict_image(image)
    assert caplog.text.count("does not store its preprocessing") == 1
    assert model.predictor.transform.options["image_size"] == 224  # type: ignore[attr-defined]


def test_tiles_are_refused() -> None:
    with refuses(ConfigError, "tile=64", "whole image"):
        tiny_model("classification").predict("x.jpg", tile=64)


def test_the_table_has_a_row_per_image(tmp_path: Path) -> None:
    kind = tiny_model("classification").predictor
    lines = [{"image": "a/ü.jpg", "label": 2, "name": "pebble, large", "score": 0.25}]
    kind.write_table(tmp_path / "t.csv", lines, {"a/ü.jpg": 0}, [0, 1, 2])
    rows = list(csv.DictReader((tmp_path / "t.csv").open(encoding="utf-8")))
    assert rows == [{"path": "a/ü.jpg", "label": "2", "name": "pebble, large", "score": "0.25"}]
