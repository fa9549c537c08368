"""The k-means update: hard, without a gradient through the assignment."""

import pytest
import torch
from helpers.refusals import refuses

from vision.errors import ConfigError
from vision.heads.mask_transformer.kmeans_layer import QueryAttention, cluster_sums


def test_every_pixel_counts_in_the_cluster_of_its_highest_logit_alone() -> None:
    # Two rows of two pixels; the highest of three queries is 2, 0, 2, 2.
    logits = torch.tensor([[[0.0, 5], [1, -3]], [[1, 4], [0, -2]], [[2, -9], [3, -1]]])[None]
    values = torch.tensor([[[1.0, 10], [100, 1000]], [[-1, 0], [0, 2]]])[None]
    expected = torch.tensor([[[10.0, 0, 1101], [0, 0, 1]]])
    torch.testing.assert_close(cluster_sums(logits, values), expected)


def test_no_gradient_flows_through_the_assignment() -> None:
    logits = torch.randn(1, 3, 2, 2, requires_grad=True)
    values = torch.randn(1, 4, 2, 2, requires_grad=True)
    cluster_sums(logits, values).sum().backward()
    assert logits.grad is None
    torch.testing.assert_close(values.grad, torch.ones_like(values))


def test_sums_are_float32_under_autocast() -> None:
    values = torch.ones(1, 1, 64, 65)
    values[..., 0] = 0.0625
    with torch.autocast("cpu", dtype=torch.bfloat16):
        sums = cluster_sums(torch.zeros(1, 1, 64, 65), values.bfloat16())
    assert sums.dtype == torch.float32
    assert sums.item() == pytest.approx(64 * 64 + 4)


def test_heads_that_do_not_divide_the_channels() -> None:
    with refuses(ConfigError, "10 channels", "4 heads"):
        QueryAttention(10, num_heads=4)
