"""What is special about CSWin; its contract and parity are tested with the other families."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

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


def literal_branch(qkv: Tensor, conv: nn.Conv2d, stripe: tuple[int, int], heads: int) -> Tensor:
    """Stripes cut one by one from `qkv` `(3, c, H, W)`, padded evenly; returns `(c, H, W)`."""
    height, width = qkv.shape[2:]
    missing = [-side % extent for side, extent in zip((height, width), stripe, strict=True)]
    top, left = missing[0] // 2, missing[1] // 2
    qkv = F.pad(qkv, (left, missing[1] - left, top, missing[0] - top))
    out = torch.zeros_like(qkv[0])
    for y in range(0, qkv.shape[2], stripe[0]):
        for x in range(0, qkv.shape[3], stripe[1]):
            part = (slice(y, y + stripe[0]), slice(x, x + stripe[1]))
            piece = qkv[:, :, *part]
            q, k, v = piece.reshape(3, heads, -1, stripe[0] * stripe[1])  # (heads, D, N)
            weights = (q.transpose(1, 2) @ k * q.shape[1] ** -0.5).softmax(-1)
            mixed = (weights @ v.transpose(1, 2)).transpose(1, 2).reshape(-1, *stripe)
            out[:, *part] = mixed + conv(piece[2][None])[0]
    return out[:, top : top + height, left : left + width]


def share(conv: nn.Conv2d, start: int, stop: int) -> nn.Conv2d:
    part = nn.Conv2d(stop - start, stop - start, 3, padding=1, groups=stop - start)
    part.weight.data, part.bias.data = conv.weight[start:stop], conv.bias[start:stop]
    return part


@torch.no_grad()
@pytest.mark.parametrize("size", [(6, 6), (7, 5), (2, 9)])
def test_two_branches_attend_inside_their_stripes(size: tuple[int, int]) -> None:
    attn = randomised(StripeAttention(12, num_heads=4, split_size=3))
    x = torch.randn(1, *size, 12)
    qkv = attn.qkv(x)[0].view(*size, 3, 12).permute(2, 3, 0, 1)  # (3, C, H, W)
    vertical = literal_branch(qkv[:, :6], share(attn.lepe, 0, 6), (size[0], 3), heads=2)
    horizontal = literal_branch(qkv[:, 6:], share(attn.lepe, 6, 12), (3, size[1]), heads=2)
    expected = attn.proj(torch.cat([vertical, horizontal]).permute(1, 2, 0))
    torch.testing.assert_close(attn(x)[0], expected)


@torch.no_grad()
def test_the_last_stage_attends_over_the_whole_map() -> None:
    attn = randomised(StripeAttention(12, num_heads=3, split_size=None))
    x = torch.randn(1, 4, 5, 12)
    qkv = attn.qkv(x)[0].view(4, 5, 3, 12).permute(2, 3, 0, 1)
    expected = attn.proj(literal_branch(qkv, attn.lepe, (4, 5), heads=3).permute(1, 2, 0))
    torch.testing.assert_close(attn(x)[0], expected)


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
