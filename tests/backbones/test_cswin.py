"""What is special about CSWin; its contract and parity are tested with the other families."""

from typing import Any

import pytest
import torch
from helpers.literal import check_literal
from torch import nn

from vision.backbones.cswin import CSWin, StripeAttention
from vision.errors import ConfigError

TINY: dict[str, Any] = {
    "dim": 8,
    "depths": (1, 1),
    "num_heads": (2, 4),
    "split_sizes": (2, 4),
}


def randomised(model: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.3)
    return model.eval()


@pytest.mark.parametrize("size", [(47, 65), (32, 33)])
def test_the_network_is_its_equations(size: tuple[int, int]) -> None:
    """Maps of 12 x 17 and of 6 x 9: stripes of 5 and of 4 do not divide them."""
    check_literal(CSWin(dim=8, depths=(1, 2, 1), num_heads=(2, 4, 4), split_sizes=(5, 4, 2)), size)


@torch.no_grad()
def test_two_branches_on_a_map_as_large_as_a_stripe_are_one() -> None:
    two = randomised(StripeAttention(8, num_heads=2, split_size=4))
    one = StripeAttention(8, num_heads=2, split_size=None).eval()
    one.load_state_dict(two.state_dict())
    x = torch.randn(2, 4, 4, 8)
    torch.testing.assert_close(two(x), one(x))


@torch.no_grad()
def test_compiled_position_encoding_is_the_convolution() -> None:
    attn = randomised(StripeAttention(8, num_heads=2, split_size=2))
    x = torch.randn(2, 5, 7, 8)
    compiled = torch.compile(attn, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x), attn(x))


def test_widths_may_be_given_for_each_stage() -> None:
    model = CSWin(**{**TINY, "dim": (8, 12)})
    assert [spec.channels for spec in model.feature_specs] == [8, 12]
    assert model(torch.zeros(1, 3, 32, 32))[1].shape[1] == 12


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_heads": (3, 5)}, "num_heads"),
        ({"num_heads": (1, 2)}, "num_heads"),
        ({"split_sizes": (1, 2, 7)}, "split_sizes"),
        ({"dim": (8,)}, "dim"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        CSWin(**{**TINY, **options})
