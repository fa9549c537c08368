"""Masks of queries at full size, against the same sums over whole tensors."""

import pytest
import torch
from helpers.refusals import refuses
from torch import Tensor
from torch.nn import functional as F

from vision.errors import ConfigError
from vision.ops.cluster_maps import ClusterMaps, cluster_maps, mask_rows


def whole(logits: Tensor, *sizes: tuple[int, int]) -> Tensor:
    """Shares `(N, H, W)`, from sizes padded, valid and original."""
    padded, (height, width), original = sizes
    aligned = padded[1] % 2 == 1
    x = F.interpolate(logits[None], padded, mode="bilinear", align_corners=aligned)
    x = x[..., :height, :width]
    return F.interpolate(x, original, mode="bilinear", align_corners=aligned)[0].softmax(dim=0)


def found(
    logits: Tensor, classes: Tensor, *sizes: tuple[int, int], threshold: float = 0.4
) -> ClusterMaps:
    padded, valid, original = sizes
    rows = mask_rows(logits, padded=padded, valid=valid, original=original)
    return cluster_maps(rows, classes, confidence_threshold=threshold, strip_bytes=1)


@pytest.mark.parametrize("threshold", [0.2, 0.4, 0.6])
@pytest.mark.parametrize("sizes", [((33, 41), (33, 30), (50, 47)), ((32, 40), (20, 40), (13, 25))])
def test_equals_whole_tensors(sizes: tuple[tuple[int, int], ...], threshold: float) -> None:
    torch.manual_seed(0)
    logits, classes = 2 * torch.randn(6, 9, 11), torch.rand(6, 4)
    shares = whole(logits, *sizes)
    maps = found(logits, classes, *sizes, threshold=threshold)
    member = shares > threshold
    assert torch.equal(maps.area, member.sum(dim=(1, 2)))
    for query in range(6):
        assert torch.equal((maps.queries == query).any(dim=0), member[query])
    mean = (shares * member).sum(dim=(1, 2)) / member.sum(dim=(1, 2)).clamp(min=1)
    torch.testing.assert_close(maps.confidence, mean)
    scores = torch.einsum("nk,nhw->khw", classes, shares)
    torch.testing.assert_close(maps.semantic_scores, scores.amax(dim=0))
    assert torch.equal(maps.semantic, scores.argmax(dim=0))


@pytest.mark.parametrize("strip_bytes", [1, 3 * 4 * 9 * 47, None])
@pytest.mark.parametrize("height", [8.0, 200.0])
def test_regions_of_one_query(height: float, strip_bytes: int | None) -> None:
    """Most pixels have the query of the pixel above; with high logits no power of e is shared."""
    torch.manual_seed(1)
    owners = torch.arange(9)[torch.randint(0, 9, (3, 3))].repeat_interleave(3, 0)
    logits = torch.randn(9, 9, 12)
    logits.scatter_add_(0, owners.repeat_interleave(4, 1)[None], torch.full((1, 9, 12), height))
    sizes = ((36, 48), (36, 48), (40, 47))
    shares = whole(logits, *sizes)
    rows = mask_rows(logits, padded=sizes[0], valid=sizes[1], original=sizes[2])
    maps = cluster_maps(rows, torch.eye(9), semantic=False, strip_bytes=strip_bytes)
    assert maps.semantic is None
    for query in range(9):
        assert torch.equal((maps.queries == query).any(dim=0), shares[query] > 0.4)
    best = (shares * (shares > 0.4)).sum(dim=(1, 2)) / maps.area.clamp(min=1)
    torch.testing.assert_close(maps.confidence, best, rtol=1e-5, atol=1e-6)


def test_masks_that_are_no_numbers_have_no_pixels() -> None:
    logits = torch.zeros(3, 4, 4)
    logits[0] = torch.nan
    maps = found(logits, torch.eye(3), *((8, 8),) * 3)
    assert maps.area.tolist() == [0, 0, 0]


def test_padding_takes_no_part() -> None:
    """The first query lies on the padding alone."""
    logits = torch.zeros(2, 8, 8)
    logits[1, :, :4], logits[0, :, 4:] = 9, 9
    maps = found(logits, torch.eye(2), (32, 32), (32, 12), (32, 12))
    assert maps.area.tolist() == [0, 32 * 12]
    assert maps.confidence[0] == 0


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_impossible_thresholds(threshold: float) -> None:
    sizes = ((8, 8),) * 3
    with refuses(ConfigError, "confidence_threshold", "above 0"):
        found(torch.zeros(2, 2, 2), torch.eye(2), *sizes, threshold=threshold)
