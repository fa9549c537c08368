import torch
from torch import Tensor
from torch.nn import functional as F

from vision.layers.sparse_conv import SparseConv3d, conv_table, kernel_offsets


def cloud(count: int, side: int, samples: int = 1) -> Tensor:
    """Different cells of a cube, int64 `(count, 4)`, in no order."""
    cells = torch.randperm(samples * side**3)[:count]
    axes = [cells // side ** (3 - i) % (side if i else samples) for i in range(4)]
    return torch.stack(axes, dim=1)


def convolved(features: Tensor, coords: Tensor, kernel: Tensor) -> Tensor:
    """The same by a dictionary."""
    row_of = {tuple(cell): row for row, cell in enumerate(coords.tolist())}
    rows = []
    for sample, x, y, z in coords.tolist():
        total = torch.zeros(kernel.shape[2], dtype=features.dtype)
        for dx, dy, dz in ((a, b, c) for a in (-1, 0, 1) for b in (-1, 0, 1) for c in (-1, 0, 1)):
            row = row_of.get((sample, x + dx, y + dy, z + dz))
            if row is not None:
                total += features[row] @ kernel[(dx + 1) + 3 * (dy + 1) + 9 * (dz + 1)]
        rows.append(total)
    return torch.stack(rows)


def test_x_is_the_fastest_offset() -> None:
    assert kernel_offsets()[[0, 1, 3, 9]].tolist() == [
        [0, -1, -1, -1],
        [0, 0, -1, -1],
        [0, -1, 0, -1],
        [0, -1, -1, 0],
    ]


def test_it_is_the_sum_of_a_dictionary() -> None:
    coords = cloud(60, 4, samples=2)
    layer = SparseConv3d(3, 5).double()
    features = torch.randn(60, 3, dtype=torch.float64)
    expected = convolved(features, coords, layer.kernel)
    torch.testing.assert_close(layer(features, conv_table(coords)), expected)


def test_a_full_grid_is_a_dense_convolution() -> None:
    coords = cloud(64, 4)
    layer = SparseConv3d(2, 3).double()
    features = torch.randn(64, 2, dtype=torch.float64)
    dense = torch.zeros(1, 2, 4, 4, 4, dtype=torch.float64)  # (1, C, z, y, x)
    _, x, y, z = coords.T
    dense[0, :, z, y, x] = features.T
    weight = layer.kernel.view(3, 3, 3, 2, 3).permute(4, 3, 0, 1, 2)
    expected = F.conv3d(dense, weight, padding=1)[0, :, z, y, x].T
    torch.testing.assert_close(layer(features, conv_table(coords)), expected)


def test_gradients() -> None:
    table = conv_table(cloud(9, 3))
    layer = SparseConv3d(2, 3).double()
    features = torch.randn(9, 2, dtype=torch.float64, requires_grad=True)

    def run(features: Tensor, kernel: Tensor) -> Tensor:
        del layer.kernel
        layer.kernel = kernel
        return layer(features, table)

    assert torch.autograd.gradcheck(run, (features, layer.kernel))


def test_samples_give_what_they_give_alone() -> None:
    coords, layer, features = cloud(80, 4, samples=3), SparseConv3d(4, 4), torch.randn(80, 4)
    together = layer(features, conv_table(coords))
    for sample in range(3):
        mine = coords[:, 0] == sample
        alone = layer(features[mine], conv_table(coords[mine]))
        torch.testing.assert_close(alone, together[mine])


def test_it_keeps_its_precision_under_autocast() -> None:
    table, layer, features = conv_table(cloud(30, 4)), SparseConv3d(4, 4), torch.randn(30, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = layer(features, table)
    assert found.equal(layer(features, table))


def test_nothing_has_no_result() -> None:
    table = conv_table(torch.empty(0, 4, dtype=torch.int64))
    assert SparseConv3d(4, 6)(torch.empty(0, 4), table).shape == (0, 6)
