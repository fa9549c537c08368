"""Three forms of the sum behind deformable attention, equal to rounding.

Each takes and returns what `deformable_attention` does. A size is the height and width of a map in
cells; tensors while a model is traced.

Letters: B images, D width of a head, L maps, N cells of all maps, Q queries, P points per map.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from vision.ops.bilinear import corners
from vision.ops.boxes import at_least_float32


def sum_by_grid(
    value: Tensor, sizes: Sequence[tuple[int, int]], locations: Tensor, weights: Tensor
) -> Tensor:
    """By grid sampling, the fastest on a GPU."""
    batch, heads, dim = value.shape[0], value.shape[2], value.shape[3]
    total, start = None, 0
    for level, (height, width) in enumerate(sizes):
        grid = 2 * locations[:, :, :, level].transpose(1, 2).flatten(0, 1) - 1  # (B*heads, Q, P, 2)
        share = weights[:, :, :, level].transpose(1, 2).flatten(0, 1)  # (B*heads, Q, P)
        cells = value[:, start : start + height * width]
        x = cells.permute(0, 2, 3, 1).reshape(batch * heads, dim, height, width)
        # Operators without autocast need one type.
        sampled = F.grid_sample(x.to(grid.dtype), grid, align_corners=False)  # (B*heads, D, Q, P)
        part = (sampled * share[:, None]).sum(dim=-1)
        total = part if total is None else total + part
        start = start + height * width
    assert total is not None, "there is a map"
    total = total.reshape(batch, heads * dim, -1)  # (B, heads*D, Q)
    return total.transpose(1, 2)


def sum_by_gather(
    value: Tensor, sizes: Sequence[tuple[int, int]], locations: Tensor, weights: Tensor
) -> Tensor:
    """By gathers and products alone, for engines without grid sampling; it needs more memory."""
    rows, total = value.flatten(0, 2), None  # (B*N*heads, D)
    for index, share in _corner_rows(value, sizes, locations, weights):
        part = share[..., None, :] @ rows[index].to(share.dtype)  # (B, Q, heads, 1, D)
        total = part if total is None else total + part
    assert total is not None, "there is a map"
    return total[..., 0, :].flatten(2)


def sum_by_bags(
    value: Tensor, sizes: Sequence[tuple[int, int]], locations: Tensor, weights: Tensor
) -> Tensor:
    """By sums over bags of rows, the fastest on a CPU: nothing is sampled before it is summed."""
    rows, total = value.flatten(0, 2), None  # (B*N*heads, D)
    for index, share in _corner_rows(value, sizes, locations, weights):
        rows = rows.to(share.dtype)
        weight = share.flatten(0, 2)
        part = F.embedding_bag(index.flatten(0, 2), rows, per_sample_weights=weight, mode="sum")
        total = part if total is None else total + part
    assert total is not None, "there is a map"
    return total.reshape(*locations.shape[:2], -1)  # from (B*Q*heads, D)


def _corner_rows(
    value: Tensor, sizes: Sequence[tuple[int, int]], locations: Tensor, weights: Tensor
) -> Iterator[tuple[Tensor, Tensor]]:
    """Of each map, the rows of `value` around its points, and their weights.

    Both are `(B, Q, heads, 4 * P)`; the rows are counted over images, cells and heads.
    """
    batch, cells, heads = value.shape[:3]
    image = torch.arange(batch, device=value.device)[:, None, None, None] * cells
    head = torch.arange(heads, device=value.device)[:, None]
    start = 0
    for level, (height, width) in enumerate(sizes):
        x, y = at_least_float32(locations[:, :, :, level]).unbind(dim=-1)  # (B, Q, heads, P)
        place, share = corners(x * width - 0.5, y * height - 0.5, (height, width))
        index = (place.flatten(3) + (image + start)) * heads + head
        yield index, (share * weights[:, :, :, level, :, None]).flatten(3)
        start = start + height * width
