"""The criterion of volumes: the overlap of regions or classes, and how sure each cell is.

Letters: B patches, K outputs, D, H, W cells along the axes. A model of regions has a sigmoid for
each output, a model of classes a softmax over them. Cells with the label `IGNORED` count nowhere; a
mean over patches leaves out those that have no other cell. All of it is in float32 at least.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vision.contracts.volumes import IGNORED, Regions, VolumeOutputs
from vision.errors import ConfigError, suggest
from vision.ops.boxes import at_least_float32
from vision.ops.volume_regions import region_masks
from vision.options import Range, check_number, check_ranges

TERMS = ("dice", "cross_entropy", "focal")


@dataclass(frozen=True)
class VolumeLossOptions:
    """Options of the criterion of volumes; the defaults are those published for Swin UNETR.

    Attributes:
        terms: Factor of each loss by name: "dice" is the overlap of each output; "cross_entropy"
            that of the softmax, or of each region's sigmoid; "focal" the same with cells that are
            right already weighted less.
        smooth: Added to both sides of the ratio of "dice".
        background: Whether "dice" counts the background of a model of classes too.
        gamma: Exponent of "focal", 0 or more.
        deeper_weight: Weight of the losses of each coarser map beside those of the next finer one,
            if the head gives such (deep supervision). All weights sum to 1.

    Raises:
        ConfigError: A term is unknown, or a value out of its range.
    """

    terms: Mapping[str, float] = field(default_factory=lambda: {"dice": 1.0})
    smooth: float = 1e-5
    background: bool = True
    gamma: float = 2.0
    deeper_weight: float = 0.5

    def __post_init__(self) -> None:
        if not self.terms:
            raise ConfigError(f"terms is empty, expected one or more of {', '.join(TERMS)}.")
        for name, weight in self.terms.items():
            if name not in TERMS:
                raise ConfigError(
                    f"terms: {name!r} is not one of {', '.join(TERMS)}.{suggest(name, TERMS)}"
                )
            check_number(f"terms.{name}", weight, minimum=0)
        ranges = {
            "smooth": Range(above=0),
            "gamma": Range(minimum=0),
            "deeper_weight": Range(minimum=0, maximum=1),
        }
        check_ranges(vars(self), ranges)


class VolumeLoss(nn.Module):
    """Weighted losses of the logits of patches, and of coarser ones.

    Args:
        options: Terms and their options.
        regions: The regions of a model of regions; None for a model of classes.
    """

    def __init__(
        self, options: VolumeLossOptions | None = None, *, regions: Regions | None = None
    ) -> None:
        super().__init__()
        self.options = options or VolumeLossOptions()
        self.regions = regions

    def forward(self, outputs: VolumeOutputs, mask: Tensor) -> dict[str, Tensor]:
        """Compute the weighted terms.

        Args:
            outputs: What the head returned.
            mask: uint8 `(B, D, H, W)`, class index or `IGNORED`.

        Returns:
            One term `()` per name in `terms`, and per coarser map, as `dice_0`.
        """
        maps = [outputs["logits"], *outputs.get("deeper", [])]
        factors = [self.options.deeper_weight**i for i in range(len(maps))]
        losses: dict[str, Tensor] = {}
        with torch.autocast(mask.device.type, enabled=False):
            for i, (logits, factor) in enumerate(zip(maps, factors, strict=True), start=-1):
                suffix = "" if i < 0 else f"_{i}"
                found = self._terms(at_least_float32(logits), _resized(mask, logits))
                for name, value in found.items():
                    weight = self.options.terms[name] * factor / sum(factors)
                    losses[name + suffix] = weight * value
        return losses

    def _terms(self, logits: Tensor, mask: Tensor) -> dict[str, Tensor]:
        valid = mask != IGNORED  # (B, D, H, W)
        if self.regions is not None:
            target = region_masks(mask, self.regions).transpose(0, 1)  # (B, K, D, H, W)
        else:
            classes = torch.arange(logits.shape[1], device=mask.device, dtype=mask.dtype)
            target = mask[:, None] == classes[:, None, None, None]
        losses: dict[str, Callable[[], Tensor]] = {
            "dice": lambda: self._dice(logits, target, valid),
            "cross_entropy": lambda: self._cross_entropy(logits, target, mask, valid),
            "focal": lambda: self._focal(logits, target, valid),
        }
        return {name: losses[name]() for name in self.options.terms}

    def _dice(self, logits: Tensor, target: Tensor, valid: Tensor) -> Tensor:
        if self.regions is not None:
            probabilities = logits.sigmoid()
        else:
            probabilities = logits.softmax(dim=1)
            if not self.options.background:
                probabilities, target = probabilities[:, 1:], target[:, 1:]
        return dice_loss(probabilities, target, valid, smooth=self.options.smooth)

    def _cross_entropy(self, logits: Tensor, target: Tensor, mask: Tensor, valid: Tensor) -> Tensor:
        if self.regions is not None:
            terms = F.binary_cross_entropy_with_logits(
                logits, target.to(logits.dtype), reduction="none"
            ).mean(dim=1)
        else:
            index = mask.long().where(valid, 0)
            terms = F.cross_entropy(logits, index, reduction="none")
        return _mean(terms, valid)

    def _focal(self, logits: Tensor, target: Tensor, valid: Tensor) -> Tensor:
        if self.regions is not None:
            # The logarithm of the probability of what is true of each output.
            right = F.logsigmoid(torch.where(target, logits, -logits))
        else:
            right = logits.log_softmax(dim=1).where(target, 0)
        terms = -((1 - right.exp()) ** self.options.gamma) * right
        return _mean(terms.mean(dim=1), valid)


def dice_loss(
    probabilities: Tensor, target: Tensor, valid: Tensor, *, smooth: float = 1e-5
) -> Tensor:
    """One minus the Dice coefficient of each patch and output; its mean.

    "V-Net", Milletari et al., 2016, https://arxiv.org/abs/1606.04797, without the squares there.

    Args:
        probabilities: float `(B, K, D, H, W)`.
        target: bool `(B, K, D, H, W)`.
        valid: bool `(B, D, H, W)`, the cells that count.
        smooth: Added to both sides of the ratio.

    Returns:
        `()`; 0 where no cell counts.
    """
    counted = probabilities.where(valid[:, None], 0)
    target = target & valid[:, None]
    common = counted.where(target, 0).flatten(2).sum(dim=2)  # (B, K)
    whole = counted.flatten(2).sum(dim=2) + target.flatten(2).sum(dim=2)
    losses = 1 - (2 * common + smooth) / (whole + smooth)
    patches = valid.flatten(1).any(dim=1)
    of_patch = losses.mean(dim=1).where(patches, 0)
    return of_patch.sum() / patches.sum().clamp(min=1)


def _mean(terms: Tensor, valid: Tensor) -> Tensor:
    """Mean over the cells that count, 0 where there is none."""
    return terms.where(valid, 0).sum() / valid.sum().clamp(min=1)


def _resized(mask: Tensor, logits: Tensor) -> Tensor:
    """The labels at the centres of the cells of a map."""
    size = logits.shape[2:]
    if mask.shape[1:] == size:
        return mask
    return F.interpolate(mask[:, None], size=size, mode="nearest-exact")[:, 0]
