"""What is special to RMT's stages and variants."""

from typing import Any

import pytest
import torch
from helpers.literal import check_literal

from vision import create_backbone
from vision.backbones.rmt import RMT
from vision.errors import ConfigError

TINY: dict[str, Any] = {
    "dims": (16, 32, 64, 96),
    "depths": (1, 1, 2, 1),
    "num_heads": (2, 2, 4, 6),
    "projection": 64,
}


@pytest.mark.parametrize("decomposed", [(True, True, False, False), (False, True, True, True)])
def test_the_network_is_its_equations(decomposed: tuple[bool, ...]) -> None:
    check_literal(RMT(**TINY, decomposed=decomposed, layer_scales=(True,) * 4), (47, 65))


@pytest.mark.parametrize("decomposed", [(True,) * 4, (False,) * 4])
@torch.no_grad()
def test_any_stage_takes_either_form(decomposed: tuple[bool, ...]) -> None:
    torch.manual_seed(0)
    model = RMT(**TINY, decomposed=decomposed).eval()
    mixed = RMT(**TINY, decomposed=(True, False, True, False)).eval()
    mixed.load_state_dict(model.state_dict())
    images = torch.randn(1, 3, 64, 96)
    differ = [not torch.allclose(x, y) for x, y in zip(model(images), mixed(images), strict=True)]
    assert any(differ)


@torch.no_grad()
def test_halving_rounds_up() -> None:
    shapes = [x.shape[2:] for x in RMT(**TINY).eval()(torch.zeros(1, 3, 33, 65))]
    assert shapes == [(9, 17), (5, 9), (3, 5), (2, 3)]


@pytest.mark.parametrize(
    ("name", "scaled"), [("rmt_small", []), ("rmt_large", [2, 3]), ("rmt_base", [2, 3])]
)
def test_layer_scales_by_variant(name: str, scaled: list[int]) -> None:
    with torch.device("meta"):
        model = create_backbone(name)
    assert [i for i, blocks in enumerate(model.stages) if blocks[0].gamma1 is not None] == scaled


def test_a_dense_model_has_no_projection() -> None:
    names = dict(RMT(**TINY, dense=True).named_parameters())
    assert not any(name.startswith("proj") for name in names)
    assert {name for name in names if name.startswith("out_norms")} == {
        f"out_norms.{i}.{kind}" for i in range(4) for kind in ("weight", "bias")
    }
    assert RMT(**TINY, dense=True).out_norms["0"].eps == 1e-5


@pytest.mark.parametrize(
    ("overrides", "named"),
    [({"num_heads": (2, 2, 4, 5)}, "96"), ({"mlp_ratios": (3, 3, 3)}, "mlp_ratios: 3")],
)
def test_options_that_do_not_fit_are_refused(overrides: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        RMT(**{**TINY, **overrides})
