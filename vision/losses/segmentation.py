"""The criterion of semantic segmentation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from vision.contracts.segmentation import IGNORED, SegmentationBatch, SegmentationOutputs
from vision.errors import ConfigError, suggest
from vision.losses.cross_entropy import pixel_losses, resized_cross_entropy
from vision.losses.dice import DiceOptions, dice_loss
from vision.losses.focal import sigmoid_focal_loss
from vision.losses.lovasz import LovaszOptions, lovasz_loss
from vision.losses.ohem import OhemOptions, hard_pixels
from vision.ops import matching
from vision.ops.boxes import at_least_float32
from vision.ops.interpolation import resize_bilinear
from vision.options import PROBABILITY, Range, check_number, check_ranges, read_options

MeanOver = Literal["all", "valid"]
TERMS = ("cross_entropy", "dice", "lovasz", "focal")
CROSS_ENTROPY_ALONE: Mapping[str, float] = {"cross_entropy": 1.0}
# Where nothing is counted the sum is 0, and so is the mean.
_MIN = torch.finfo(torch.float32).eps


@dataclass(frozen=True)
class FocalOptions:
    """Constants of the focal loss, with mmsegmentation's defaults.

    Attributes:
        alpha: Weight of a present class, in [0, 1]; an absent one has `1 - alpha`.
        gamma: Exponent of the modulating factor `1 - p_t`, 0 or more.

    Raises:
        ConfigError: A value is out of its range.
    """

    alpha: float = 0.5
    gamma: float = 2.0

    def __post_init__(self) -> None:
        ranges = {"alpha": PROBABILITY, "gamma": Range(minimum=0)}
        check_ranges(vars(self), ranges, group="focal")


class SegmentationLoss(nn.Module):
    """Weighted sum of terms that compare logits, enlarged to the labels, with the class of pixels.

    Defined as in mmsegmentation 1.2.2, whose rule is the default: pixels without a label add
    nothing, but the mean is over all pixels. The cross entropy never holds logits of full size, the
    other terms do. Everything is computed in float32 at least.

    Args:
        terms: Factor of each term, by name: "cross_entropy"; "dice" (see `DiceOptions`); "lovasz"
            (see `LovaszOptions`); "focal", of one sigmoid per class, mean over pixels and classes.
        class_weights: Factor of each class in the cross entropy, whose mean is then the sum of the
            weighted terms divided by the sum of the weights, where a pixel without a label weighs
            1. Null for none.
        ohem: Options of `OhemOptions`, such as `{"threshold": 0.7}`: the cross entropy of hard
            pixels only, still divided by the number of all. Null for all pixels.
        auxiliary_weight: Factor of the terms of the auxiliary logits, 0 or more.
        mean_over: What cross entropy and focal loss are divided by: "all" pixels, or the "valid"
            ones, which have a label.
        align_corners: How logits are enlarged, as in `torch.nn.functional.interpolate`; the same
            as in the head.
        dice: Options of `DiceOptions`; null for the defaults.
        lovasz: Options of `LovaszOptions`; null for the defaults.
        focal: Options of `FocalOptions`; null for the defaults.

    Raises:
        ConfigError: A term or option is unknown, or a value out of its range.
    """

    class_weights: Tensor | None

    def __init__(
        self,
        *,
        terms: Mapping[str, float] = CROSS_ENTROPY_ALONE,
        class_weights: Sequence[float] | None = None,
        ohem: Mapping[str, Any] | None = None,
        auxiliary_weight: float = 0.4,
        mean_over: MeanOver = "all",
        align_corners: bool = False,
        dice: Mapping[str, Any] | None = None,
        lovasz: Mapping[str, Any] | None = None,
        focal: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        _check_terms(terms)
        if mean_over not in ("all", "valid"):
            raise ConfigError(f"mean_over={mean_over!r} must be 'all' or 'valid'.")
        check_number("auxiliary_weight", auxiliary_weight, minimum=0)
        factors = Range(minimum=0, length=0, optional=True)
        check_ranges({"class_weights": class_weights}, {"class_weights": factors})
        self.terms, self.auxiliary_weight = dict(terms), auxiliary_weight
        self.mean_over, self.align_corners = mean_over, align_corners
        self.ohem = None if ohem is None else read_options(OhemOptions, ohem, group="ohem")
        self.dice = read_options(DiceOptions, dice or {}, group="dice")
        self.lovasz = read_options(LovaszOptions, lovasz or {}, group="lovasz")
        self.focal = read_options(FocalOptions, focal or {}, group="focal")
        # A recipe's constant, which no checkpoint needs to hold.
        weights = None if class_weights is None else torch.tensor(class_weights).float()
        self.register_buffer("class_weights", weights, persistent=False)

    def forward(self, outputs: SegmentationOutputs, batch: SegmentationBatch) -> dict[str, Tensor]:
        """Compare the logits of a batch with its labels.

        Args:
            outputs: What the head returned; `auxiliary` may be absent.
            batch: `mask` is read.

        Returns:
            One weighted term `()` per name in `terms`, and per name after "auxiliary_" where there
            are such logits.

        Raises:
            ConfigError: A label is no class of the logits (on the CPU; elsewhere the device's own
                error), or `class_weights` has another number of classes.
        """
        labels = batch["mask"]
        losses = self._compare(outputs["logits"], labels)
        if "auxiliary" in outputs:
            more = self._compare(outputs["auxiliary"], labels)
            losses |= {f"auxiliary_{k}": self.auxiliary_weight * v for k, v in more.items()}
        return losses

    def _compare(self, logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
        logits = at_least_float32(logits)
        self._check(logits, labels)
        others: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
            "dice": lambda whole, labels: dice_loss(whole, labels, self.dice),
            "lovasz": lambda whole, labels: lovasz_loss(whole, labels, self.lovasz),
            "focal": self._focal,
        }
        whole = logits
        if any(name in others for name in self.terms):
            size = (labels.shape[1], labels.shape[2])
            whole = resize_bilinear(logits, size, align_corners=self.align_corners)
        losses = {}
        for name, weight in self.terms.items():
            if name == "cross_entropy":
                losses[name] = weight * self._cross_entropy(logits, labels)
            else:
                losses[name] = weight * others[name](whole, labels)
        return losses

    def _cross_entropy(self, logits: Tensor, labels: Tensor) -> Tensor:
        valid = labels != IGNORED
        counts = torch.ones(labels.shape, dtype=logits.dtype, device=logits.device)
        if self.class_weights is not None:
            by_class = self.class_weights.to(logits.dtype)
            counts = torch.where(valid, by_class[labels.where(valid, 0)], counts)
        weights = counts
        if self.ohem is not None:
            losses = pixel_losses(logits, labels, align_corners=self.align_corners)
            weights = counts * hard_pixels(losses, valid, self.ohem, weights=counts)
        total = resized_cross_entropy(logits, labels, weights, align_corners=self.align_corners)
        if self.mean_over == "valid":
            counts = counts.where(valid, 0)
        return total / counts.sum().clamp(min=_MIN)

    def _focal(self, logits: Tensor, labels: Tensor) -> Tensor:
        valid = labels != IGNORED
        total = sigmoid_focal_loss(
            logits.permute(0, 2, 3, 1),  # (B, H, W, K)
            labels.where(valid, matching.IGNORED),
            alpha=self.focal.alpha,
            gamma=self.focal.gamma,
        )
        count = valid.sum().clamp(min=1) if self.mean_over == "valid" else labels.numel()
        return total / (count * logits.shape[1])

    def _check(self, logits: Tensor, labels: Tensor) -> None:
        classes = logits.shape[1]
        if self.class_weights is not None and len(self.class_weights) != classes:
            raise ConfigError(
                f"class_weights has {len(self.class_weights)} numbers, expected one for each of "
                f"the {classes} classes."
            )
        # Looking at values elsewhere than on the CPU would wait for the device.
        if labels.device.type != "cpu" or torch.compiler.is_compiling():
            return
        wrong = labels[(labels != IGNORED) & ((labels < 0) | (labels >= classes))]
        if len(wrong):
            raise ConfigError(
                f"the labels of a batch hold class {wrong[0].item()} ({len(wrong)} pixels), but "
                f"the model has {classes} classes, 0 to {classes - 1}; set num_classes to the "
                f"number of classes of the dataset. Pixels without a label have {IGNORED}."
            )


def _check_terms(terms: Mapping[str, float]) -> None:
    if not terms:
        raise ConfigError(f"terms is empty, expected one at least of {', '.join(TERMS)}.")
    for name, weight in terms.items():
        if name not in TERMS:
            raise ConfigError(
                f"terms: {name!r} is not one of {', '.join(TERMS)}.{suggest(name, TERMS)}"
            )
        check_number(f"terms.{name}", weight, minimum=0)
