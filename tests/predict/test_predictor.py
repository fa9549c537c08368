"""What all predictors share, and their options."""

from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_predict import tiny_model

from vision.errors import ConfigError
from vision.kinds import KINDS
from vision.predict.options import PredictOptions
from vision.tasks import Classification


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_its_predictor(kind: str) -> None:
    model = tiny_model(kind)
    assert type(model.predictor).__module__ == f"vision.predict.{kind}"
    assert model.kind == kind


def test_a_task_without_a_predictor_is_named() -> None:
    class Misspelt(Classification):
        kind = "classificatoin"

    model = tiny_model("classification")
    model.task.__class__ = Misspelt
    with refuses(ConfigError, "'classificatoin'", "'classification'"):
        model.predict("a.jpg")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "volumes"])
def test_maps_of_probabilities_are_refused_where_there_are_none(kind: str) -> None:
    model = tiny_model(kind)
    with refuses(ConfigError, type(model.task).__name__, "probabilities"):
        model.predict("a.jpg", probabilities=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size=0"),
        ({"threshold": 1.5}, "threshold=1.5"),
        ({"tile": 0}, r"tile=\(0, 0\).*1 or more pixels"),
        ({"tile": (3, 4, 5)}, r"tile=\(3, 4, 5\).*2 numbers"),
        ({"overlap": 1.0}, "overlap=1.0"),
        ({"precision": "int8"}, "bfloat16"),
    ],
)
def test_options_out_of_range(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        PredictOptions(**options)


def test_tiles_of_options() -> None:
    options = PredictOptions(tile=(100, 50), overlap=0.2)
    assert (options.tile_size, options.tile_stride) == ((100, 50), (80, 40))
    assert PredictOptions(tile=64).tile_size == (64, 64)
    assert not options.is_cut(torch.zeros(3, 100, 50))
    assert options.is_cut(torch.zeros(3, 100, 51))
    assert not PredictOptions().is_cut(torch.zeros(3, 10_000, 1))


def test_half_precision_is_near() -> None:
    model = tiny_model("classification")
    image = torch.randint(0, 256, (3, 40, 40), dtype=torch.uint8)
    exact: Any = model.predict_image(image)
    half: Any = model.predict_image(image, precision="bfloat16")
    assert not torch.equal(exact.scores, half.scores)
    torch.testing.assert_close(exact.scores, half.scores, rtol=0, atol=0.02)
    with pytest.raises(ConfigError, match="needs a GPU"):
        model.predict_image(image, precision="float16")
