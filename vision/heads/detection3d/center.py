"""A head that finds objects by their centres on a map seen from above.

Letters: B sweeps, K classes, N candidates of a sweep, H and W rows (along y) and columns (along x).
"""

from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict, cast

import torch
from torch import Tensor, nn

from vision.contracts.boxes3d import LIDAR
from vision.contracts.features import ClassRows, FeatureSpec
from vision.errors import ConfigError, shown
from vision.layers.conv_norm import ConvNormAct
from vision.ops.boxes import at_least_float32
from vision.ops.center_maps import (
    BOX_CODE,
    CODE,
    CenterOutputs,
    code_maps,
    decode_boxes,
    gather_cells,
    map_grid,
    per_class,
)
from vision.ops.pillar_grid import PillarGrid
from vision.ops.rotated_iou import ground_rectangles
from vision.ops.rotated_nms import rotated_nms
from vision.options import (
    MAX_CLASSES,
    MAX_COUNT,
    MAX_WIDTH,
    PROBABILITY,
    Range,
    check_ranges,
    read_options,
)

# Epsilon and momentum of the shared norm in the authors' detector.
NORM_EPS, NORM_MOMENTUM = 1e-3, 0.01
# Probability of a centre before training: sigmoid(-2.19) is 0.1.
HEATMAP_BIAS = -2.19


class CenterCandidates(TypedDict):
    """The best cells of each sweep, by falling score.

    Keys:
        boxes3d: float `(B, N, 7)` in the frame `LIDAR`.
        scores: float `(B, N)` in [0, 1].
        labels: int64 `(B, N)` class index.
        valid: bool `(B, N)` whether the score and the place are as wanted.
        velocity: float `(B, N, 2)` along x and y in metres per second, if the head has it.
    """

    boxes3d: Tensor
    scores: Tensor
    labels: Tensor
    valid: Tensor
    velocity: NotRequired[Tensor]


class CenterDetections(TypedDict):
    """The objects of one sweep, by falling score.

    Keys:
        boxes3d: float `(M, 7)` in the frame `LIDAR`.
        scores: float `(M,)` in [0, 1].
        labels: int64 `(M,)` class index.
        velocity: float `(M, 2)`, if the head has it.
    """

    boxes3d: Tensor
    scores: Tensor
    labels: Tensor
    velocity: NotRequired[Tensor]


class MapPrediction(nn.Module):
    """One map: a convolution with a norm, and one with a bias.

    Args:
        in_channels: Channels of the input.
        channels: Channels between the convolutions.
        out_channels: Channels of the map.
    """

    def __init__(self, in_channels: int, *, channels: int, out_channels: int) -> None:
        super().__init__()
        self.inner = ConvNormAct(in_channels, channels)
        self.output = nn.Conv2d(channels, out_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, C, H, W)` to `(B, out_channels, H, W)`."""
        return self.output(self.inner(x))

    def reset_parameters(self) -> None:
        """Initialise as published: after He et al., 2015, for the gradients."""
        self.inner.reset_parameters()
        nn.init.kaiming_normal_(self.output.weight, mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(cast(Tensor, self.output.bias))


class CenterHead(nn.Module):
    """Maps of centres and of the numbers of the box around each.

    "Center-based 3D Object Detection and Tracking", Yin et al., 2021,
    https://arxiv.org/abs/2006.11275, with an expected overlap that corrects scores, "AFDetV2", Hu
    et al., 2022, https://arxiv.org/abs/2112.09205, as in mit-han-lab/flatformer.

    Args:
        specs: Channels and stride of the map of a neck.
        num_classes: Number K of classes.
        grid: The pillars: a `PillarGrid`, or a mapping of its options.
        shared_channels: Channels of the convolution that all maps share.
        channels: Channels within the prediction of each map.
        velocity: Whether there is a map of velocities, as published for Waymo.
        overlap: Whether there is a map of expected overlaps.
        overlap_power: Power of the expected overlap in the score.
        score_threshold: Score above which a cell is a candidate.
        center_range: Lowest and highest x, y, z in metres where a centre may be; None for any.
        max_candidates: Number N of cells that are looked at in each sweep.
        nms_threshold: Intersection over union on the ground above which the worse of two boxes of
            one class is dropped; one number, or one per class.
        max_before_nms: Number of the best boxes of each class that it looks at, likewise.
        max_per_class: Largest number of objects of each class in a sweep, likewise.

    Attributes:
        map_grid: Where the cells of the maps lie; the criterion needs it.

    Raises:
        ConfigError: An option is out of its range.
    """

    def __init__(
        self,
        specs: Sequence[FeatureSpec],
        *,
        num_classes: int,
        grid: PillarGrid | Mapping[str, Any] | None = None,
        shared_channels: int = 64,
        channels: int = 64,
        velocity: bool = False,
        overlap: bool = True,
        overlap_power: float = 2.0,
        score_threshold: float = 0.1,
        center_range: Sequence[float] | None = None,
        max_candidates: int = 4096,
        nms_threshold: float | Sequence[float] = 0.55,
        max_before_nms: int | Sequence[int] = 1024,
        max_per_class: int | Sequence[int] = 100,
    ) -> None:
        super().__init__()
        width = Range(minimum=1, maximum=MAX_WIDTH)
        ranges = {
            "num_classes": Range(minimum=1, maximum=MAX_CLASSES),
            "shared_channels": width,
            "channels": width,
            "overlap_power": Range(minimum=0),
            "score_threshold": PROBABILITY,
            "max_candidates": Range(minimum=1, maximum=MAX_COUNT),
        }
        check_ranges(locals(), ranges)
        self.num_classes, self.overlap_power = num_classes, overlap_power
        self.score_threshold, self.max_candidates = score_threshold, max_candidates
        self.center_range = _checked_range(center_range)
        count = Range(minimum=1, maximum=MAX_COUNT)
        self.nms_thresholds = _of_classes("nms_threshold", nms_threshold, num_classes, PROBABILITY)
        self.max_before = _of_classes("max_before_nms", max_before_nms, num_classes, count)
        self.max_after = _of_classes("max_per_class", max_per_class, num_classes, count)
        self.grid = read_options(PillarGrid, grid or {}, group="grid")
        self.map_grid = map_grid(self.grid, specs[0].stride)
        self.shared = ConvNormAct(specs[0].channels, shared_channels)
        self.shared.norm.eps, self.shared.norm.momentum = NORM_EPS, NORM_MOMENTUM
        maps = {"heatmap": num_classes, **CODE, "overlap": 1}
        absent = {"velocity": not velocity, "overlap": not overlap}
        self.predictions = nn.ModuleDict(
            {
                name: MapPrediction(shared_channels, channels=channels, out_channels=out)
                for name, out in maps.items()
                if not absent.get(name, False)
            }
        )
        self.reset_parameters()

    def forward(self, features: Sequence[Tensor]) -> CenterOutputs:
        """Predict the maps.

        Args:
            features: One map `(B, C, H, W)`.
        """
        shared = self.shared(features[0])
        outputs = {name: predict(shared) for name, predict in self.predictions.items()}
        return cast(CenterOutputs, outputs)

    def decode(self, outputs: CenterOutputs) -> CenterCandidates:
        """The best cells of each sweep, before suppression.

        Args:
            outputs: Of `forward`.
        """
        scores = at_least_float32(outputs["heatmap"]).sigmoid()  # (B, K, H, W)
        if "overlap" in outputs:
            expected = at_least_float32(outputs["overlap"]).clamp(0, 1)
            scores = scores * expected**self.overlap_power
        columns = scores.shape[-1]
        scores, cells = _best(scores.flatten(2), self.max_candidates)  # (B, K, n)
        per_map = scores.shape[-1]
        scores, place = _best(scores.flatten(1), self.max_candidates)  # (B, N)
        labels, index = place // per_map, cells.flatten(1).gather(1, place)
        code = at_least_float32(gather_cells(code_maps(outputs), index))
        boxes = decode_boxes(code, index, columns, self.map_grid)
        valid = scores > self.score_threshold
        if self.center_range is not None:
            low, high = boxes.new_tensor(self.center_range).chunk(2)
            centre = boxes[..., :3]
            valid = valid & ((centre >= low) & (centre <= high)).all(dim=-1)
        candidates: CenterCandidates = {
            "boxes3d": boxes,
            "scores": scores,
            "labels": labels,
            "valid": valid,
        }
        if "velocity" in outputs:
            candidates["velocity"] = code[..., BOX_CODE:]
        return candidates

    @torch.no_grad()
    def predict(self, outputs: CenterOutputs) -> list[CenterDetections]:
        """The objects of each sweep.

        Args:
            outputs: Of `forward`.
        """
        return self.select(self.decode(outputs))

    @torch.no_grad()
    def select(self, candidates: CenterCandidates) -> list[CenterDetections]:
        """Drop what is not wanted, and of boxes of one class that overlap the worse.

        Args:
            candidates: Of `decode`.
        """
        found: list[CenterDetections] = []
        for i, valid in enumerate(candidates["valid"]):
            boxes, labels = candidates["boxes3d"][i][valid], candidates["labels"][i][valid]
            scores = candidates["scores"][i][valid]
            kept = rotated_nms(
                ground_rectangles(boxes, LIDAR),
                scores,
                labels,
                self.nms_thresholds,
                max_before=self.max_before,
                max_after=self.max_after,
            )
            objects: CenterDetections = {
                "boxes3d": boxes[kept],
                "scores": scores[kept],
                "labels": labels[kept],
            }
            if "velocity" in candidates:
                objects["velocity"] = candidates["velocity"][i][valid][kept]
            found.append(objects)
        return found

    def class_rows(self) -> dict[str, ClassRows]:
        """The last layer of the heat map."""
        rows = ClassRows(groups=1, per_class=1, background=False)
        return {f"predictions.heatmap.output.{part}": rows for part in ("weight", "bias")}

    def reset_parameters(self) -> None:
        """Initialise the parameters, as published; centres are rare."""
        self.shared.reset_parameters()
        for predict in self.predictions.values():
            cast(MapPrediction, predict).reset_parameters()
        heatmap = cast(MapPrediction, self.predictions["heatmap"])
        nn.init.constant_(cast(Tensor, heatmap.output.bias), HEATMAP_BIAS)


def _best(scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The largest of the last axis by falling size, and their places."""
    best = scores.topk(min(count, scores.shape[-1]), dim=-1)
    return best.values, best.indices


def _checked_range(value: Sequence[float] | None) -> tuple[float, ...] | None:
    if value is None:
        return None
    check_ranges({"center_range": value}, {"center_range": Range(length=6, unit="metres")})
    if any(high <= low for low, high in zip(value[:3], value[3:], strict=True)):
        raise ConfigError(
            f"center_range={shown(list(value))} must be the lowest x, y, z, then the highest ones, "
            "in metres."
        )
    return tuple(value)


def _of_classes(name: str, value: Any, num_classes: int, range_: Range) -> list[Any]:
    """One number per class."""
    values = per_class(value, num_classes)
    if len(values) != num_classes or not all(map(range_.holds, values)):
        raise ConfigError(
            f"{name}={shown(value)} must be one number, or {num_classes}, one per class, each "
            f"{range_}."
        )
    return values
