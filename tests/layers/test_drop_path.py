"""Stochastic depth."""

import pytest
import torch

from vision.layers.drop_path import DropPath, drop_path_rates


def test_whole_samples_are_dropped_and_the_rest_rescaled() -> None:
    torch.manual_seed(0)
    x = torch.rand(4000, 3, 2) + 1.0
    kept = DropPath(0.25).train()(x)
    dropped = (kept == 0).flatten(1)
    assert torch.equal(dropped.any(dim=1), dropped.all(dim=1))
    assert dropped[:, 0].float().mean().item() == pytest.approx(0.25, abs=0.03)
    survivors = ~dropped[:, 0]
    torch.testing.assert_close(kept[survivors], x[survivors] / 0.75)


def test_nothing_happens_in_evaluation_or_at_rate_zero() -> None:
    x = torch.randn(8, 3)
    assert DropPath(0.9).eval()(x) is x
    assert DropPath(0.0).train()(x) is x


def test_the_gradient_follows_the_mask() -> None:
    torch.manual_seed(0)
    x = torch.ones(64, 2, requires_grad=True)
    kept = DropPath(0.5).train()(x)
    kept.sum().backward()
    assert torch.equal(x.grad, kept.detach())


def test_rates_rise_linearly_over_all_blocks() -> None:
    rates = drop_path_rates(0.4, (2, 1, 2))
    assert [len(stage) for stage in rates] == [2, 1, 2]
    assert [rate for stage in rates for rate in stage] == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])


def test_rates_are_numbers_under_any_default_device() -> None:
    with torch.device("meta"):
        assert drop_path_rates(0.1, (1, 1))[1] == pytest.approx([0.1])


def test_a_single_block_is_never_dropped() -> None:
    assert drop_path_rates(0.3, (1,)) == [[0.0]]
