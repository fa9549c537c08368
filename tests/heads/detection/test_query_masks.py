"""Masks of queries: what a mask is, on which grid, and what padding may change."""

import pytest
import torch
from torch.nn import functional as F

from vision.heads.detection.query_masks import MASK_SIDE, QueryMasks, masks_in_boxes

SIZE = torch.tensor([[40, 56]])


@torch.no_grad()
def test_features_from_parts_worked_apart() -> None:
    """A pixel's lateral and the enlarged memory, by functions of PyTorch."""
    torch.manual_seed(0)
    branch = QueryMasks(6, dim=8)
    fine, memory = torch.randn(2, 6, 10, 14), torch.randn(2, 8, 5, 7)
    lateral = torch.einsum("oc,bchw->bohw", branch.lateral.weight[:, :, 0, 0], fine)
    lateral = F.layer_norm(lateral.movedim(1, -1), (8,)).movedim(-1, 1)
    x = lateral + F.interpolate(memory, scale_factor=2)
    x = F.conv2d(x, branch.merge.weight, padding=1).movedim(1, -1)
    x = F.layer_norm(x, (8,)).relu() @ branch.output.weight[:, :, 0, 0].T
    torch.testing.assert_close(branch(fine, memory), x.movedim(-1, 1), rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_padding_is_not_seen() -> None:
    torch.manual_seed(0)
    branch, fine, memory = QueryMasks(6, dim=8), torch.randn(1, 6, 8, 12), torch.randn(1, 8, 4, 6)
    padding = torch.zeros(1, 8, 12, dtype=torch.bool)
    padding[..., 8:] = True
    found = branch(fine, memory, padding)
    alone = branch(fine[..., :8], memory[..., :4])
    torch.testing.assert_close(found[..., :8], alone)


@torch.no_grad()
def test_grids_are_samples_of_the_dot_products() -> None:
    """Against grid sampling of the whole masks, and beyond the image the values of its border."""
    torch.manual_seed(0)
    features, codes = torch.randn(1, 8, 10, 14), torch.randn(1, 3, 8)
    boxes = torch.tensor(
        [[[4.0, 6.0, 30.0, 35.0], [0.0, 0.0, 56.0, 40.0], [50.0, 30.0, 56.0, 41.0]]]
    )
    found = masks_in_boxes(features, codes, boxes, SIZE)
    logits = torch.einsum("bdc,bchw->bdhw", codes, features)
    share = (torch.arange(MASK_SIDE) + 0.5) / MASK_SIDE
    for mask, whole, (x1, y1, x2, y2) in zip(found[0], logits[0], boxes[0].tolist(), strict=True):
        x, y = 2 * (x1 + share * (x2 - x1)) / 56 - 1, 2 * (y1 + share * (y2 - y1)) / 40 - 1
        grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)[None]
        expected = F.grid_sample(
            whole[None, None], grid, padding_mode="border", align_corners=False
        )
        torch.testing.assert_close(mask, expected[0, 0].sigmoid(), rtol=1e-5, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("width", [28, 30])
def test_grids_do_not_read_padding(width: int) -> None:
    """An image of 28 or 30 pixels, and so 7 or 8 cells, in a map of 14."""
    torch.manual_seed(0)
    features, codes, sizes = torch.randn(1, 8, 10, 14), torch.randn(1, 2, 8), SIZE.clone()
    sizes[0, 1] = width
    boxes = torch.tensor([[[10.0, 0.0, float(width), 40.0], [0.0, 8.0, 60.0, 20.0]]])
    cells = -(-width // 4)
    other = features.clone()
    other[..., cells:] = 1e4
    padded = masks_in_boxes(other, codes, boxes, sizes)
    assert torch.equal(masks_in_boxes(features, codes, boxes, sizes), padded)
    # Places in maps of other widths are rounded otherwise on some processors.
    cut = masks_in_boxes(features[..., :cells], codes, boxes, sizes)
    torch.testing.assert_close(cut, padded)
