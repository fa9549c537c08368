"""What a loaded model offers."""

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_predict import tiny_model, write_pictures

from vision.errors import ConfigError, ImageError
from vision.predict.model import Model


@pytest.fixture(scope="module")
def model() -> Model:
    return tiny_model("classification")


def test_it_knows_what_it_is(model: Model) -> None:
    assert model.kind == "classification"
    assert model.class_names[:2] == ("egg", "disc")
    assert model.device == torch.device("cpu")
    assert not model.task.training
    assert repr(model) == "Classification(convnext, 8 classes, 0 steps)"
    assert model.to("cpu") is model


def test_it_takes_batches(model: Model) -> None:
    images = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    logits = model(images)
    assert logits.shape == (2, 8)
    with torch.no_grad():
        assert torch.equal(logits, model.task(images))


def test_one_image_has_one_result(tmp_path: Path, model: Model) -> None:
    paths = write_pictures(tmp_path, ("a.png", "b.png"))
    one, many = model.predict_image(paths[1]), list(model.predict(paths, batch_size=1))
    assert torch.equal(one.scores, many[1].scores)  # type: ignore[attr-defined]
    assert (one.index, many[1].index) == (0, 1)
    with pytest.raises(ConfigError, match="is a folder"):
        model.predict_image(tmp_path)
    with refuses(ConfigError, "2 images", "given"):
        model.predict_image(torch.zeros(2, 3, 8, 8, dtype=torch.uint8))
    with pytest.raises(ImageError, match="there is no image"):
        model.predict_image(tmp_path / "absent.png")


def test_predicting_leaves_no_inference_mode_behind(model: Model) -> None:
    results = model.predict([np.zeros((8, 8, 3), np.uint8)] * 3, batch_size=1)
    next(results)
    assert not torch.is_inference_mode_enabled()
    results.close()
