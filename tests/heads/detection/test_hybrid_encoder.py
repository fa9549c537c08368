"""The hybrid encoder against that of RT-DETR in transformers, and what padding may change."""

import pytest
import torch
from torch import Tensor, nn

from vision.benchmarks.peers.rt_detr import their_encoder
from vision.heads.detection.hybrid_encoder import HybridEncoder

DIM = 16


def small(expansion: float = 0.5) -> HybridEncoder:
    """An encoder of three maps with random weights and statistics."""
    torch.manual_seed(0)
    encoder = HybridEncoder(dim=DIM, num_heads=2, hidden_dim=24, expansion=expansion)
    for module in encoder.modules():
        if isinstance(module, nn.BatchNorm2d | nn.LayerNorm):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias)
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return encoder


def pyramid(height: int = 8, width: int = 12, count: int = 2) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    sizes = [(height // scale, width // scale) for scale in (1, 2, 4)]
    return [torch.randn(count, DIM, *size, generator=generator) for size in sizes]


@torch.no_grad()
@pytest.mark.parametrize(("expansion", "training"), [(0.5, False), (1.0, False), (0.5, True)])
def test_it_is_that_of_transformers(expansion: float, training: bool) -> None:
    """In evaluation theirs keeps the branches and norms that ours folds."""
    pytest.importorskip("transformers")
    ours = small(expansion).train(training)
    theirs = their_encoder(
        ours,
        encoder_hidden_dim=DIM,
        encoder_attention_heads=2,
        encoder_ffn_dim=24,
        hidden_expansion=expansion,
    ).train(training)
    expected = theirs(pyramid()).last_hidden_state
    for x, reference in zip(ours(pyramid()), expected, strict=True):
        torch.testing.assert_close(x, reference, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_padding_and_the_rest_of_the_batch_change_nothing() -> None:
    """A map of 6 x 8 cells in one of 8 x 12 whose padding holds anything, beside a whole one."""
    encoder = small().eval()
    maps, padding = pyramid(), []
    for x in maps:
        hidden = torch.zeros(2, *x.shape[-2:], dtype=torch.bool)
        hidden[0, -(-3 * x.shape[-2] // 4) :] = True
        hidden[0, :, 2 * x.shape[-1] // 3 :] = True
        padding.append(hidden)
    found = encoder(maps, padding)
    alone = encoder([x[:1, :, : -(-3 * x.shape[2] // 4), : 2 * x.shape[3] // 3] for x in maps])
    whole = encoder([x[1:] for x in maps])
    for x, one, other, hidden in zip(found, alone, whole, padding, strict=True):
        torch.testing.assert_close(x[:1, :, : one.shape[2], : one.shape[3]], one)
        torch.testing.assert_close(x[1:], other)
        assert not x[0, :, hidden[0]].any()


@torch.no_grad()
@pytest.mark.parametrize(
    "sizes", [[(7, 9), (4, 5), (2, 3)], [(7, 9), (3, 4), (1, 2)], [(1, 1)] * 3]
)
def test_sides_that_are_not_twice_those_of_the_next_map(sizes: list[tuple[int, int]]) -> None:
    """Rounded up, rounded down, and maps of one cell, also in training."""
    maps = [torch.randn(1, DIM, *size) for size in sizes]
    for training in (False, True):
        found = small().train(training)(maps)
        assert [x.shape[-2:] for x in found] == sizes
        assert all(x.isfinite().all() for x in found)
