"""The criterion of heads that find objects by their centres seen from above.

"Center-based 3D Object Detection and Tracking", Yin et al., 2021,
https://arxiv.org/abs/2006.11275, with the overlap of "AFDetV2", Hu et al., 2022,
https://arxiv.org/abs/2112.09205, as in mit-han-lab/flatformer (`centerpoint_head.py`).

Letters: B sweeps, K classes, M places for objects, H and W rows and columns of the map.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from vision.contracts.boxes3d import HEIGHT, LIDAR
from vision.contracts.lidar import LidarTarget
from vision.errors import ConfigError, shown
from vision.ops.boxes import at_least_float32
from vision.ops.center_maps import (
    BOX_CODE,
    CODE,
    CenterOutputs,
    MapGrid,
    code_maps,
    decode_boxes,
    gather_cells,
)
from vision.ops.center_targets import CenterTargets, center_targets
from vision.ops.host_values import values_like
from vision.ops.reduce import mean_over_processes
from vision.ops.rotated_iou import paired_box3d_iou
from vision.options import MAX_COUNT, Range, check_ranges, read_options

# Probabilities are kept from 0 and 1 by this much, and their gradient is 0 beyond.
MIN_PROBABILITY = 1e-4
# Added to numbers of objects.
EPS = 1e-4


@dataclass(frozen=True)
class CenterLossOptions:
    """Options of the criterion; the defaults are those published for Waymo.

    Attributes:
        heatmap_weight: Weight of the heat map.
        box_weight: Weight of the boxes.
        overlap_weight: Weight of the expected overlaps.
        code_weights: Weight of each number of a box: offset x and y, height, logarithms of length,
            width and height, sine and cosine, and perhaps the velocity along x and y. No target
            has a velocity: with a weight for it, 0 is learned.
        alpha: Exponent that weighs cells down that are right already.
        gamma: Exponent that weighs cells down that are near a centre.
        max_objects: Number of objects that are learned of one sweep.
        min_overlap: Of a box whose corners lie at the radius of its peak, with the true one.
        min_radius: Smallest radius of a peak in cells.

    Raises:
        ConfigError: A value is out of its range.
    """

    heatmap_weight: float = 1.0
    box_weight: float = 2.0
    overlap_weight: float = 1.0
    code_weights: Sequence[float] = (1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0)
    alpha: float = 2.0
    gamma: float = 4.0
    max_objects: int = 500
    min_overlap: float = 0.1
    min_radius: int = 2

    def __post_init__(self) -> None:
        weights = ("heatmap_weight", "box_weight", "overlap_weight", "alpha", "gamma")
        ranges = {
            **dict.fromkeys(weights, Range(minimum=0)),
            "code_weights": Range(minimum=0, length=0),
            "max_objects": Range(minimum=1, maximum=MAX_COUNT),
            "min_overlap": Range(above=0, below=1),
            "min_radius": Range(minimum=0, maximum=MAX_COUNT, unit="cells"),
        }
        check_ranges(vars(self), ranges, group="loss_options")
        if len(self.code_weights) not in (BOX_CODE, BOX_CODE + CODE["velocity"]):
            raise ConfigError(
                f"loss_options.code_weights={shown(list(self.code_weights))} must be {BOX_CODE} "
                f"numbers, or {BOX_CODE + CODE['velocity']} with those of the velocity."
            )


class CenterLoss(nn.Module):
    """Compares the maps of a centre head with the objects of each sweep.

    All of it is in float32 at least. In distributed training the numbers of objects are means over
    the processes.

    Args:
        grid: Where the cells of the head's maps lie: `head.map_grid`.
        options: Weights and targets; a mapping of some of them, or None for the published ones.

    Raises:
        ConfigError: An option is unknown or out of its range.
    """

    def __init__(
        self, *, grid: MapGrid, options: CenterLossOptions | Mapping[str, Any] | None = None
    ) -> None:
        super().__init__()
        self.grid = grid
        self.options = read_options(CenterLossOptions, options or {}, group="loss_options")

    def forward(self, outputs: CenterOutputs, targets: Sequence[LidarTarget]) -> dict[str, Tensor]:
        """Compute the weighted terms.

        Args:
            outputs: Of the head.
            targets: The objects of each sweep.

        Returns:
            `loss_heatmap`, `loss_box`, and with an expected overlap `loss_overlap`, each `()`.
        """
        heatmap = outputs["heatmap"]
        with torch.autocast(heatmap.device.type, enabled=False):
            wanted = self.targets(targets, heatmap.shape)
            code = at_least_float32(gather_cells(code_maps(outputs), wanted.cell))
            count = wanted.mask.sum().to(code.dtype)
            losses = {
                "loss_heatmap": self.options.heatmap_weight
                * self._heatmap_loss(at_least_float32(heatmap), wanted.heatmap),
                "loss_box": self.options.box_weight * self._box_loss(code, wanted),
            }
            objects = self._shared(count) + EPS
            losses["loss_box"] = losses["loss_box"] / objects
            if "overlap" in outputs:
                found = gather_cells(outputs["overlap"].flatten(2).transpose(1, 2), wanted.cell)
                true = self.overlaps(code, wanted, heatmap.shape[-1])
                apart = (at_least_float32(found[..., 0]) - true).abs().where(wanted.mask, 0)
                losses["loss_overlap"] = self.options.overlap_weight * apart.sum() / objects
        return losses

    def targets(
        self, targets: Sequence[LidarTarget], heatmap_shape: Sequence[int]
    ) -> CenterTargets:
        """The targets of the objects of each sweep, for a heat map of shape `(B, K, H, W)`."""
        options = self.options
        return center_targets(
            targets,
            heatmap_shape,
            self.grid,
            max_objects=options.max_objects,
            min_overlap=options.min_overlap,
            min_radius=options.min_radius,
        )

    @torch.no_grad()
    def overlaps(self, code: Tensor, wanted: CenterTargets, columns: int) -> Tensor:
        """Intersection over union of boxes with their objects; as published, bottoms are compared.

        Both heights of a centre are taken for those of the bottom, which matters for boxes of
        different heights alone.

        Args:
            code: float `(B, M, 8)` or more, numbers of the boxes.
            wanted: The objects.
            columns: Number W of columns of the maps.

        Returns:
            float `(B, M)` in [0, 1]; 0 at empty places.
        """
        index = wanted.cell[wanted.mask]
        found, true = (
            decode_boxes(values[wanted.mask], index, columns, self.grid)
            for values in (code, wanted.code)
        )
        for boxes in (found, true):
            boxes[:, 2] += boxes[:, HEIGHT] / 2
        values = code.new_zeros(wanted.mask.shape)
        values[wanted.mask] = paired_box3d_iou(found, true, LIDAR).to(values.dtype)
        return values

    def _heatmap_loss(self, logits: Tensor, wanted: Tensor) -> Tensor:
        """The focal loss of each cell, over the number of cells that are a centre."""
        options = self.options
        found = logits.sigmoid().clamp(MIN_PROBABILITY, 1 - MIN_PROBABILITY)
        centre = wanted == 1
        present = (1 - found) ** options.alpha * found.log()
        absent = (1 - wanted) ** options.gamma * found**options.alpha * (1 - found).log()
        count = self._shared(centre.sum().to(found.dtype)).clamp(min=1)
        return -torch.where(centre, present, absent).sum() / count

    def _box_loss(self, code: Tensor, wanted: CenterTargets) -> Tensor:
        """Sum of the weighted differences of the numbers of all objects."""
        # No target has a velocity.
        rest = wanted.code.new_zeros(*wanted.code.shape[:-1], code.shape[-1] - BOX_CODE)
        apart = (code - torch.cat([wanted.code, rest], dim=-1)).abs()
        weights = [*self.options.code_weights, 0.0, 0.0][: code.shape[-1]]
        weighted = apart * values_like(apart, weights)
        return weighted.where(wanted.mask[..., None], 0).sum()

    def _shared(self, count: Tensor) -> Tensor:
        return mean_over_processes(count) if self.training else count
