import torch
from torch import Tensor

from vision.contracts.points import VoxelMap
from vision.layers.voxel_pooling import CellDown, NearestDown, coarsen


def cloud(count: int, side: int = 6, channels: int = 4) -> VoxelMap:
    """Two samples of voxels, sorted."""
    cells = torch.randperm(2 * side**3)[:count].sort().values
    axes = [cells // side ** (3 - i) % (side if i else 2) for i in range(4)]
    coords = torch.stack(axes, 1)
    place = coords[:, 1:] + torch.rand(count, 3)
    signal = torch.cat([coords[:, :1], place, torch.rand(count, 3) * 2 - 1], 1)
    features = torch.randn(count, channels)
    return VoxelMap(coords, torch.bincount(coords[:, 0], minlength=2), signal, features, 1)


def cells_of(fine: VoxelMap, stride: int) -> dict[tuple[int, ...], list[int]]:
    found: dict[tuple[int, ...], list[int]] = {}
    for row, (sample, *place) in enumerate(fine.coords.tolist()):
        found.setdefault((sample, *(n // stride * stride for n in place)), []).append(row)
    return found


def test_the_voxel_nearest_to_the_mean_stands_for_a_cell() -> None:
    fine = cloud(150)
    coarse, expected = coarsen(fine, 3), cells_of(fine, 3)
    assert coarse.cells.coords.tolist() == [list(cell) for cell in sorted(expected)]
    assert coarse.counts.tolist() == [sum(c[0] == i for c in expected) for i in (0, 1)]
    for cell, row in zip(sorted(expected), coarse.rows.tolist(), strict=True):
        inside = fine.signal[expected[cell]].double()
        squared = (inside - inside.mean(0)).square().sum(1)
        best = int(squared.argmin()) if len(inside) != 2 else 0
        assert row == expected[cell][best]


def test_of_two_voxels_the_first_stands_for_the_cell() -> None:
    for _ in range(20):
        fine = cloud(2, side=2)._replace(coords=torch.tensor([[0, 0, 0, 1], [0, 1, 0, 0]]))
        assert coarsen(fine._replace(counts=torch.tensor([2])), 2).rows.tolist() == [0]


def pooled(layer: NearestDown, fine: VoxelMap, rows: Tensor) -> Tensor:
    """The maximum over the nearest 16, by all distances."""
    x, found = layer.linear(layer.norm(fine.features)), []
    for row in rows.tolist():
        mine = torch.nonzero(fine.coords[:, 0] == fine.coords[row, 0])[:, 0]
        squared = (fine.signal[mine, 1:4] - fine.signal[row, 1:4]).square().sum(1)
        found.append(x[mine[squared.argsort()[:16]]].amax(0))
    return torch.stack(found)


def test_the_maximum_over_the_nearest_voxels() -> None:
    for count in (120, 20):  # the second with fewer than 16 in a sample
        fine, layer = cloud(count), NearestDown(4, 5)
        features = fine.features.requires_grad_()
        coarse = coarsen(fine, 2)
        grads = []
        for found in (layer(fine, coarse), pooled(layer, fine, coarse.rows)):
            found.square().sum().backward()
            grads.append((found, features.grad, layer.linear.weight.grad))
            features.grad = layer.linear.weight.grad = None
        torch.testing.assert_close(grads[0], grads[1])


def test_the_maximum_over_a_cell() -> None:
    fine, layer = cloud(100), CellDown(4, 5)
    x = layer.cell_linear(layer.cell_norm(fine.features))
    expected = [x[rows].amax(0) for _, rows in sorted(cells_of(fine, 2).items())]
    assert layer(fine, coarsen(fine, 2)).equal(torch.stack(expected))
