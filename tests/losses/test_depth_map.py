"""The loss of a map of depth; the authors' value is in `test_parity_heads.py`."""

from typing import Any

import pytest
import torch
from torch import Tensor

from vision.losses.depth_map import depth_map_loss, paint_depth
from vision.ops.depth_bins import DepthBins
from vision.ops.monocular_targets import PaddedObjects, pad_objects

# Bins of 1, 2 and 3 m.
BINS = DepthBins(count=3, minimum=0.0, maximum=6.0)


def objects(*images: list[tuple[list[float], float]]) -> PaddedObjects:
    """Objects of images, each a 2-D box and a depth."""
    targets: list[Any] = []
    for image in images:
        boxes = torch.tensor([box for box, _ in image]).view(-1, 4)
        count = len(image)
        targets.append(
            {
                "labels": torch.zeros(count, dtype=torch.int64),
                "boxes": torch.zeros(count, 6),
                "boxes2d": boxes,
                "sizes": torch.ones(count, 3),
                "depth_m": torch.tensor([depth for _, depth in image]),
                "alpha": torch.zeros(count),
            }
        )
    return pad_objects(targets)


def test_nearer_objects_are_in_front() -> None:
    """Of 2 x 4 cells; cells that a box only touches belong to it."""
    far, near = ([0.0, 0.0, 0.75, 1.0], 5.0), ([0.3, 0.6, 0.55, 0.9], 2.0)
    for order in ([far, near], [near, far]):
        depth, covered = paint_depth(objects(order, []), (2, 4))
        assert depth[0].tolist() == [[5, 5, 5, 0], [5, 2, 2, 0]]
        assert torch.equal(covered[0], depth[0] > 0)
        assert not covered[1].any()
        assert not depth[1].any()


def test_boxes_beyond_the_border() -> None:
    depth, _ = paint_depth(objects([([-0.5, -2.0, 0.3, 0.4], 3.0), ([1.1, 0, 2, 1], 1.0)]), (2, 4))
    assert depth[0].tolist() == [[3, 3, 0, 0], [0, 0, 0, 0]]


def by_loops(logits: Tensor, bins: list[list[int]], inside: list[list[bool]]) -> float:
    """The loss of one image, cell by cell."""
    total, cells = 0.0, 0
    for row, (of_row, inside_row) in enumerate(zip(bins, inside, strict=True)):
        for column, (wanted, is_object) in enumerate(zip(of_row, inside_row, strict=True)):
            shares = logits[0, :, row, column].softmax(dim=0)
            for i, share in enumerate(shares):
                weight = (1.0 if i == wanted else 0.0) + 1e-6
                value = -0.25 * (1 - share) ** 2 * share.log() * weight
                total += value.item() * (13 if is_object else 1)
            cells += 1
    return total / cells


def test_cell_by_cell() -> None:
    torch.manual_seed(0)
    logits = torch.randn(1, 4, 2, 4, dtype=torch.float64)
    seen = objects([([0, 0, 0.5, 1.0], 2.0), ([0, 0.5, 0.25, 1.0], 0.5)])
    found = depth_map_loss(logits, seen, BINS)
    # Cells without an object are in the last bin, though the first one begins at their depth.
    bins = [[1, 1, 3, 3], [0, 1, 3, 3]]
    inside = [[True, True, False, False]] * 2
    assert BINS.index(torch.zeros(1)).item() == 0
    assert found.item() == pytest.approx(by_loops(logits, bins, inside), rel=1e-6)


def test_depth_beyond_the_bins_is_in_the_last_one() -> None:
    torch.manual_seed(0)
    logits = torch.randn(1, 4, 1, 1)
    found = depth_map_loss(logits, objects([([0, 0, 1, 1.0], 7.0)]), BINS)
    assert found.item() == pytest.approx(by_loops(logits, [[3]], [[True]]), rel=1e-5)
