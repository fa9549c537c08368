"""Points of sweeps to features of pillars, and these to a map seen from above.

"PointPillars", Lang et al., 2019, https://arxiv.org/abs/1812.05784, with layers of points that see
the maximum over their pillar, as in "End-to-End Multi-View Fusion for 3D Object Detection in LiDAR
Point Clouds", Zhou et al., 2019, https://arxiv.org/abs/1910.06528 (dynamic voxelisation); code:
mit-han-lab/flatformer (`voxel_encoders/voxel_encoder.py`).

Letters: P points, C numbers of a point or channels, N pillars, B sweeps, H and W rows and columns.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vision.contracts.features import FeatureSpec
from vision.errors import ConfigError
from vision.layers.conv_norm import batch_norm
from vision.ops.boxes import at_least_float32
from vision.ops.host_values import values_like
from vision.ops.pillar_grid import PillarGrid
from vision.ops.voxels import Bounds, Cells, group_cells, reduce_cells, voxel_coords
from vision.options import MAX_WIDTH, Range, check_ranges, read_options

# Epsilon and momentum of the norms in the authors' detector.
NORM_EPS, NORM_MOMENTUM = 1e-3, 0.01
# Numbers of a point that tell its place: from the mean of its pillar, and from the pillar's centre.
PLACES = 6


class PointLayer(nn.Module):
    """A linear layer over points, a norm, ReLU, and the maximum over each pillar.

    Args:
        in_channels: Channels of the points.
        out_channels: Channels of points and pillars.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_channels, out_channels, bias=False)
        self.norm = nn.BatchNorm1d(out_channels, eps=NORM_EPS, momentum=NORM_MOMENTUM)

    def forward(self, x: Tensor, cells: Cells) -> tuple[Tensor, Tensor]:
        """Map points `(P, C)` to points `(P, out)`, and to pillars `(N, out)`."""
        x = F.relu(batch_norm(self.norm, self.linear(x)))
        return x, reduce_cells(x, cells, "max")


class PillarEncoder(nn.Module):
    """Features of the pillars that hold points.

    A point outside the grid belongs to the nearest pillar at its border, as published; datasets cut
    sweeps to the grid.

    Args:
        in_channels: Numbers C of a point, x, y, z in metres among them.
        channels: Channels of each layer; the last are those of the pillars.
        grid: The pillars: a `PillarGrid`, or a mapping of its options.

    Attributes:
        feature_specs: One map of the pillars' channels, of stride 1.

    Raises:
        ConfigError: An option is out of its range.
    """

    def __init__(
        self,
        *,
        in_channels: int = 5,
        channels: Sequence[int] = (64, 128),
        grid: PillarGrid | Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        ranges = {
            "in_channels": Range(minimum=3, maximum=MAX_WIDTH),
            "channels": Range(minimum=1, maximum=MAX_WIDTH, length=0),
        }
        check_ranges({"in_channels": in_channels, "channels": channels}, ranges)
        self.grid = read_options(PillarGrid, grid or {}, group="grid")
        self.in_channels = in_channels
        self.layers = nn.ModuleList()
        width = in_channels + PLACES
        for out in channels:
            self.layers.append(PointLayer(width, out))
            # The next layer sees each point beside the maximum over its pillar.
            width = 2 * out
        self.feature_specs = (FeatureSpec(channels[-1], 1),)

    def forward(self, points: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the pillars.

        Args:
            points: float `(P, C)` points of all sweeps, one sweep after another.
            counts: int64 `(B,)` points of each sweep.

        Returns:
            float `(N, channels[-1])` features, and int64 `(N, 4)` sample, z, y, x of each pillar,
            sorted in that order of columns; z is 0.

        Raises:
            ConfigError: The points have another form.
        """
        if points.ndim != 2 or points.shape[1] != self.in_channels:
            raise ConfigError(
                f"the reader accepts points (P, {self.in_channels}) with x, y, z first; got "
                f"{tuple(points.shape)}."
            )
        points = at_least_float32(points)
        rows, columns = self.grid.size
        bounds = Bounds([0, 0, 0, 0], [max(len(counts) - 1, 0), 0, rows - 1, columns - 1])
        cells = group_cells(self.cells(points, counts), bounds)
        x = self.point_features(points, cells)
        first, *rest = self.layers
        x, pillars = first(x, cells)
        for layer in rest:
            x, pillars = layer(torch.cat([x, pillars[cells.cell_of]], dim=1), cells)
        return pillars, cells.coords

    def cells(self, points: Tensor, counts: Tensor) -> Tensor:
        """The pillar int64 `(P, 4)` sample, z, y, x of each point, which lies in the grid."""
        low, side = self.grid.low, self.grid.pillar
        place = voxel_coords(points[:, :3], side, low)
        rows, columns = self.grid.size
        limits = values_like(place, [columns - 1, rows - 1, 0])
        place = place.clamp(min=torch.zeros_like(limits), max=limits)
        sample = torch.arange(len(counts), device=points.device)
        sample = sample.repeat_interleave(counts, output_size=points.shape[0])
        return torch.cat([sample[:, None], place.flip(1)], dim=1)

    def point_features(self, points: Tensor, cells: Cells) -> Tensor:
        """Points `(P, C + 6)`: what is measured, and where they lie in their pillars in metres."""
        xyz = points[:, :3]
        mean = reduce_cells(xyz, cells, "mean")[cells.cell_of]
        place = cells.coords[cells.cell_of, 1:].flip(1)  # (P, 3) x, y, z
        side, low = values_like(xyz, self.grid.pillar), values_like(xyz, self.grid.low)
        centre = place.to(xyz) * side + (side / 2 + low)
        return torch.cat([points, xyz - mean, xyz - centre], dim=1)

    def to_map(self, features: Tensor, coords: Tensor, batch_size: int) -> Tensor:
        """Write pillars to a map: see `pillar_map`.

        Returns:
            `(B, C, H, W)` with the rows and columns of the grid.
        """
        return pillar_map(features, coords, batch_size, self.grid.size)

    def reset_parameters(self) -> None:
        """Initialise the parameters as PyTorch does."""
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.BatchNorm1d):
                module.reset_parameters()


def pillar_map(features: Tensor, coords: Tensor, batch_size: int, size: tuple[int, int]) -> Tensor:
    """Write features of pillars to a map seen from above, which is zero elsewhere.

    Args:
        features: float `(N, C)`.
        coords: int64 `(N, 4)` sample, z, y, x; no two in the same place.
        batch_size: Number B of samples.
        size: Rows along y, and columns along x.

    Returns:
        `(B, C, H, W)`.
    """
    rows, columns = size
    coords = coords.long()
    place = (coords[:, 0] * rows + coords[:, 2]) * columns + coords[:, 3]
    flat = features.new_zeros(batch_size * rows * columns, features.shape[1])
    flat = flat.index_put((place,), features)
    return flat.view(batch_size, rows, columns, -1).permute(0, 3, 1, 2).contiguous()
