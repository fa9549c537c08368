"""Classes of original cells: decided exactly where the grids agree, by probabilities elsewhere."""

from typing import Any

import pytest
import torch
from torch import Tensor

from vision.ops.sliding_windows import VolumeInference
from vision.ops.volume_inference import Grids, predict_volume
from vision.ops.volume_regions import paint_regions

REGIONS = {"TC": (1, 3), "WT": (1, 2, 3), "ET": (3,)}
WINDOWS = VolumeInference((4, 8, 8))
# The volume lies in "RAS", its original in another order of axes, and around it.
AFFINE = torch.diag(torch.tensor([2.0, 2.0, 3.0, 1.0]))
ORIGINAL = torch.tensor([[0.0, -2, 0, 10], [0, 0, 2, -4], [3, 0, 0, 0], [0, 0, 0, 1]])
SIZE, ORIGINAL_SIZE = (5, 6, 7), (8, 9, 10)


def seen(logits: Tensor) -> Tensor:
    """A network whose logits are its input."""
    return logits


def on_original(values: Tensor, outside: Tensor) -> Tensor:
    """The values `(K, 5, 6, 7)` at the original cells, one by one."""
    found = outside[:, None, None, None].repeat(1, *ORIGINAL_SIZE)
    for d in range(SIZE[0]):
        for h in range(SIZE[1]):
            for w in range(SIZE[2]):
                # x = 10 - 2 j, y = 2 k - 4, z = 3 i
                found[:, w, 5 - d, h + 2] = values[:, d, h, w]
    return found


@pytest.mark.parametrize("outputs", [3, 4])
@pytest.mark.parametrize("asked", [False, True])
def test_cells_that_both_grids_have_are_decided_by_their_logits(outputs: int, asked: bool) -> None:
    regions = REGIONS if outputs == 3 else None
    torch.manual_seed(0)
    # Logits so near to each other, and to 0, that half precision would not tell them apart.
    logits = 1e-4 * torch.randn(outputs, *SIZE)
    found = predict_volume(
        seen,
        logits,
        Grids(AFFINE, ORIGINAL, ORIGINAL_SIZE),
        WINDOWS,
        regions=regions,
        probabilities=asked,
    )
    assert ("probabilities" in found, "regions" in found) == (asked, outputs == 3)
    if regions is not None:
        inside = on_original(logits, torch.full((3,), -1.0)) > 0
        assert torch.equal(found["regions"], inside)
        assert torch.equal(found["mask"], paint_regions(inside, regions))
        outside, shares = torch.zeros(3), logits.sigmoid()
    else:
        outside, shares = torch.tensor([1.0, 0, 0, 0]), logits.softmax(0)
        best = on_original(logits, outside).argmax(0)
        assert torch.equal(found["mask"], best.to(torch.uint8))
    assert found["mask"].dtype == torch.uint8
    assert found["mask"].any()
    if asked:
        expected = on_original(shares, outside).half()
        torch.testing.assert_close(found["probabilities"], expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize("outputs", [3, 4])
def test_cells_of_another_size_are_decided_by_interpolated_probabilities(outputs: int) -> None:
    regions: Any = REGIONS if outputs == 3 else None
    torch.manual_seed(0)
    logits = 4 * torch.randn(outputs, *SIZE)
    finer = torch.diag(torch.tensor([1.0, 2.0, 3.0, 1.0]))  # twice the cells along the first axis
    grids = Grids(AFFINE, finer, (2 * SIZE[0] - 1, *SIZE[1:]))
    found = predict_volume(seen, logits, grids, WINDOWS, regions=regions, probabilities=True)
    shares = logits.sigmoid() if regions else logits.softmax(0)
    between = (shares[:, :-1] + shares[:, 1:]) / 2
    torch.testing.assert_close(found["probabilities"][:, ::2], shares.half(), rtol=0, atol=1e-3)
    torch.testing.assert_close(found["probabilities"][:, 1::2], between.half(), rtol=0, atol=1e-3)
    values = found["probabilities"].float()
    decided = paint_regions(values > 0.5, regions) if regions else values.argmax(0)
    assert torch.equal(found["mask"], decided.to(torch.uint8))
    again = predict_volume(seen, logits, grids, WINDOWS, regions=regions)
    assert torch.equal(again["mask"], found["mask"])


@pytest.mark.parametrize("regions", [{"a": (1,), "b": (2,)}, None])
def test_small_components_of_regions_and_classes_are_left_out(regions: Any) -> None:
    truth = torch.zeros(6, 8, 8, dtype=torch.uint8)
    truth[0, :3] = 1
    truth[5, 5, 5:7] = 1
    truth[3, 1, 1] = truth[3, 6, 6:] = 2
    expected = truth.clone()
    expected[5], expected[3, 1, 1] = 0, 0
    classes = [1, 2] if regions else [0, 1, 2]
    logits = torch.stack([2.0 * (truth == k) - 1 for k in classes])
    options = VolumeInference((6, 8, 8), largest_component=True)
    grids = Grids(AFFINE, AFFINE, truth.shape)
    found = predict_volume(seen, logits, grids, options, regions=regions)
    assert torch.equal(found["mask"], expected)
    if regions:
        assert torch.equal(found["regions"], torch.stack([expected == 1, expected == 2]))
