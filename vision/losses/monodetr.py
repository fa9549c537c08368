"""The criterion of MonoDETR.

Letters: B images, Q queries, M places for objects, A bins of angles, T pairs of a query and its
object. All terms but that of the map of depth are sums, over the number of objects times groups.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vision.contracts.detection3d import MonocularTarget
from vision.errors import ConfigError
from vision.losses.depth_map import depth_map_loss
from vision.losses.focal import sigmoid_focal_loss
from vision.losses.monocular_matching import MatchingCosts, match_queries
from vision.losses.set_matching import Pairs
from vision.ops.boxes import at_least_float32, paired_giou
from vision.ops.depth_bins import DepthBins
from vision.ops.matching import BACKGROUND
from vision.ops.monocular_predictions import (
    MonocularOutputs,
    MonocularPredictions,
    sides_to_corners,
)
from vision.ops.monocular_targets import PaddedObjects, pad_objects
from vision.ops.reduce import mean_over_processes
from vision.options import Range, check_ranges, read_options

# Of a Laplace distribution by its deviation, the square root of two as the authors write it.
LAPLACE = 1.4142


@dataclass(frozen=True)
class MonoDETRLossOptions:
    """Options of the criterion, as published.

    Attributes:
        class_weight: Weight of the focal loss of classes.
        center_weight: Weight of the projected centre.
        sides_weight: Weight of the distances to the sides of the 2-D box.
        giou_weight: Weight of the overlap of 2-D boxes.
        depth_weight: Weight of the depth with its scale.
        size_weight: Weight of height, width and length.
        angle_weight: Weight of the observation angle.
        depth_map_weight: Weight of the map of depth.
        matching: Weights of the costs of the matching.
        bins: Bins of depth, those of the head.

    Raises:
        ConfigError: A weight is negative, or an option of a group is unknown or out of its range.
    """

    class_weight: float = 2.0
    center_weight: float = 10.0
    sides_weight: float = 5.0
    giou_weight: float = 2.0
    depth_weight: float = 1.0
    size_weight: float = 1.0
    angle_weight: float = 1.0
    depth_map_weight: float = 1.0
    matching: MatchingCosts = field(default_factory=MatchingCosts)
    bins: DepthBins = field(default_factory=DepthBins)

    def __post_init__(self) -> None:
        weights = [name for name in vars(self) if name.endswith("_weight")]
        check_ranges(vars(self), dict.fromkeys(weights, Range(minimum=0)))
        for name, kind in {"matching": MatchingCosts, "bins": DepthBins}.items():
            # A config has mappings.
            made = read_options(kind, getattr(self, name), group=name)
            object.__setattr__(self, name, made)


class MonoDETRLoss(nn.Module):
    """Matches queries with objects in each decoder layer, and compares them.

    "MonoDETR: Depth-guided Transformer for Monocular 3D Object Detection", Zhang et al., 2023,
    https://arxiv.org/abs/2203.13310, as in the authors' PyTorch code
    (https://github.com/ZrrSkywalker/MonoDETR). All of it is in float32 at least. In distributed
    training the number of objects is a mean over the processes. Sizes are compared as wholes, with
    the mean of the object's class where the head has such means.

    Args:
        options: Weights, matching, bins; a mapping of some of them, or None for the published ones.

    Raises:
        ConfigError: An option is unknown or out of its range.
    """

    def __init__(self, options: MonoDETRLossOptions | Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.options = read_options(MonoDETRLossOptions, options or {}, group="loss_options")

    def forward(
        self, outputs: MonocularOutputs, targets: Sequence[MonocularTarget]
    ) -> dict[str, Tensor]:
        """Compute the weighted terms.

        Args:
            outputs: Of the head.
            targets: The objects of each image.

        Returns:
            `loss_class`, `loss_center`, `loss_sides`, `loss_giou`, `loss_depth`, `loss_size` and
            `loss_angle`, each `()`, the same of decoder layer i with the suffix `_i`, and
            `loss_depth_map`.

        Raises:
            ConfigError: The map of depth has other bins than the criterion.
        """
        logits = outputs["depth_logits"]
        if logits.shape[1] != self.options.bins.count + 1:
            raise ConfigError(
                f"the map of depth has {logits.shape[1]} channels, bins.count="
                f"{self.options.bins.count} needs {self.options.bins.count + 1}; give the head and "
                "the criterion the same bins."
            )
        with torch.autocast(logits.device.type, enabled=False):
            objects = pad_objects(targets)
            # Filled, not copied to the device, which would wait for it.
            count = torch.full((), float(sum(objects.counts)), device=logits.device)
            if self.training:
                count = mean_over_processes(count)
            count = (count * outputs["num_groups"]).clamp(min=1)
            layers: list[MonocularPredictions] = [outputs, *outputs["layers"]]
            matched = match_queries(
                layers,
                objects,
                num_groups=outputs["num_groups"],
                costs=self.options.matching,
            )
            terms: dict[str, Tensor] = {}
            for i, (layer, pairs) in enumerate(zip(layers, matched, strict=True)):
                suffix = f"_{i - 1}" if i else ""
                terms |= self._terms(layer, pairs, outputs, objects, count, suffix)
            depth_map = depth_map_loss(logits, objects, self.options.bins)
        return {**terms, "loss_depth_map": self.options.depth_map_weight * depth_map}

    def _terms(
        self,
        predictions: MonocularPredictions,
        pairs: Pairs,
        outputs: MonocularOutputs,
        objects: PaddedObjects,
        count: Tensor,
        suffix: str,
    ) -> dict[str, Tensor]:
        options = self.options
        boxes = pairs.of_queries(at_least_float32(predictions["boxes"]))  # (T, 6)
        wanted = pairs.of_objects(objects.boxes)
        apart = (boxes - wanted).abs()
        giou = paired_giou(sides_to_corners(boxes), sides_to_corners(wanted))
        means = outputs["mean_sizes"][pairs.of_objects(objects.labels)]
        sizes = pairs.of_queries(at_least_float32(predictions["sizes"])) + means
        depth = pairs.of_queries(at_least_float32(predictions["depth_m"]))
        log_scale = pairs.of_queries(at_least_float32(predictions["log_scale"]))
        angles = pairs.of_queries(at_least_float32(predictions["angles"]))
        weighted = {
            "loss_class": options.class_weight * class_loss(predictions["logits"], objects, pairs),
            "loss_center": options.center_weight * apart[:, :2].sum(),
            "loss_sides": options.sides_weight * apart[:, 2:].sum(),
            "loss_giou": options.giou_weight * (1 - giou).sum(),
            "loss_depth": options.depth_weight
            * depth_loss(depth, log_scale, pairs.of_objects(objects.depth)),
            "loss_size": options.size_weight * size_loss(sizes, pairs.of_objects(objects.sizes)),
            "loss_angle": options.angle_weight
            * angle_loss(angles, pairs.of_objects(objects.alpha)),
        }
        return {name + suffix: term / count for name, term in weighted.items()}


def class_loss(logits: Tensor, objects: PaddedObjects, pairs: Pairs) -> Tensor:
    """Sum of the focal loss of all queries.

    Args:
        logits: float `(B, Q, K)`.
        objects: The objects.
        pairs: Which query stands for which object; the others are background.
    """
    labels = torch.full(logits.shape[:2], BACKGROUND, dtype=torch.int64, device=logits.device)
    labels[pairs.image, pairs.query] = pairs.of_objects(objects.labels)
    return sigmoid_focal_loss(logits, labels)


def depth_loss(depth: Tensor, log_scale: Tensor, wanted: Tensor) -> Tensor:
    """Sum of the negative logarithms of Laplace densities, without constants.

    As in "MonoPair", Chen et al., 2020, https://arxiv.org/abs/2003.00504.

    Args:
        depth: float `(T,)` in metres.
        log_scale: float `(T,)`.
        wanted: float `(T,)` in metres.
    """
    return (LAPLACE * torch.exp(-log_scale) * (depth - wanted).abs() + log_scale).sum()


def size_loss(sizes: Tensor, wanted: Tensor) -> Tensor:
    """Sum of relative differences, scaled to the sum of the differences in metres.

    "Delving into Localization Errors for Monocular 3D Object Detection", Ma et al., 2021,
    https://arxiv.org/abs/2103.16237: small sides count as much as long ones.

    Args:
        sizes: float `(T, 3)` in metres.
        wanted: float `(T, 3)` in metres, above 0.
    """
    apart = (sizes - wanted).abs()
    relative = apart / wanted
    # Without a pair, or with perfect sizes, both are zero.
    scale = apart.detach().sum() / relative.detach().sum().clamp(min=torch.finfo(apart.dtype).tiny)
    return (relative * scale).sum()


def angle_loss(angles: Tensor, wanted: Tensor) -> Tensor:
    """Sum of the cross entropy of the bins, and of the differences from the middle of the true bin.

    "3D Bounding Box Estimation Using Deep Learning and Geometry", Mousavian et al., 2017,
    https://arxiv.org/abs/1612.00496.

    Args:
        angles: float `(T, 2 * A)`: logits of the bins, angles from their middles in radians.
        wanted: float `(T,)` in radians.
    """
    logits, rests = angles.chunk(2, dim=-1)
    index, rest = encode_angle(wanted, logits.shape[-1])
    found = rests.gather(1, index[:, None])[:, 0]
    return F.cross_entropy(logits, index, reduction="sum") + (found - rest).abs().sum()


def encode_angle(angle: Tensor, bins: int) -> tuple[Tensor, Tensor]:
    """The bin of angles, and how far they are from its middle.

    Args:
        angle: float `(T,)` in radians.
        bins: Number A of bins; the middle of bin i is i * 2 pi / A.

    Returns:
        int64 `(T,)`, and float `(T,)` in radians.
    """
    step = 2 * math.pi / bins
    shifted = (angle + step / 2) % (2 * math.pi)
    # Just below a whole turn the division may be rounded up.
    index = (shifted / step).floor().clamp(max=bins - 1)
    return index.long(), shifted - (index + 0.5) * step
