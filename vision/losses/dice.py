"""The Dice loss of a segmentation."""

from dataclasses import dataclass

import torch
from torch import Tensor

from vision.contracts.segmentation import IGNORED
from vision.options import Range, check_ranges


@dataclass(frozen=True)
class DiceOptions:
    """Options of the Dice loss.

    Attributes:
        per_class: False compares all classes of an image at once, as mmsegmentation 1.x; true
            takes the mean over the classes, as mmsegmentation 0.x.
        smooth: Number that keeps the quotients finite: 0.001 on each half of the denominator for
            all classes at once; per class, 1 on numerator and denominator. Null takes these.
        count_ignored: Whether the probabilities of ignored pixels count in the denominator, as in
            mmsegmentation, which pulls them towards the uniform distribution.

    Raises:
        ConfigError: A value is out of its range.
    """

    per_class: bool = False
    smooth: float | None = None
    count_ignored: bool = False

    def __post_init__(self) -> None:
        check_ranges(vars(self), {"smooth": Range(above=0, optional=True)}, group="dice")


def dice_loss(logits: Tensor, labels: Tensor, options: DiceOptions) -> Tensor:
    """One minus the overlap of the softmax with the labels, `2 sum(p g) / (sum(p^2) + sum(g^2))`.

    "V-Net: Fully Convolutional Neural Networks for Volumetric Medical Image Segmentation",
    Milletari et al., 2016, section 3.

    Args:
        logits: float `(B, K, H, W)`.
        labels: int64 `(B, H, W)` class of each pixel, `IGNORED` where there is none.
        options: Which definition.

    Returns:
        `()`, the mean over the images; one without labelled pixels counts as 0.
    """
    valid = (labels != IGNORED)[:, None]  # (B, 1, H, W)
    classes = torch.arange(logits.shape[1], device=labels.device)[:, None, None]
    target = labels[:, None] == classes  # (B, K, H, W), false where ignored
    probability = logits.softmax(dim=1)
    counted = probability if options.count_ignored else probability.where(valid, 0)
    dims = (2, 3) if options.per_class else (1, 2, 3)
    common = 2 * probability.where(target, 0).sum(dim=dims)  # (B, K) or (B,)
    whole = counted.square().sum(dim=dims) + target.sum(dim=dims)
    if options.per_class:
        smooth = 1.0 if options.smooth is None else options.smooth
        return (1 - (common + smooth) / (whole + smooth)).mean()
    smooth = 1e-3 if options.smooth is None else options.smooth
    losses = 1 - common / (whole + 2 * smooth)
    if not options.count_ignored:
        losses = losses.where(valid.flatten(1).any(dim=1), 0)
    return losses.mean()
