"""Online mining of hard pixels."""

from dataclasses import dataclass

import torch
from torch import Tensor

from vision.options import Range, check_ranges


@dataclass(frozen=True)
class OhemOptions:
    """Options of the choice of hard pixels.

    "Training Region-based Object Detectors with Online Hard Example Mining", Shrivastava et al.,
    2016, carried over to pixels as mmsegmentation does.

    Attributes:
        threshold: Pixels whose own class has a smaller probability than this count, in (0, 1];
            null uses the `min_kept` pixels of the largest loss.
        min_kept: Minimum number of pixels that count, per image; they are chosen over the batch.

    Raises:
        ConfigError: A value is out of its range.
    """

    threshold: float | None = None
    min_kept: int = 100_000

    def __post_init__(self) -> None:
        ranges = {
            "threshold": Range(above=0, maximum=1, optional=True),
            "min_kept": Range(minimum=1, unit="pixels"),
        }
        check_ranges(vars(self), ranges, group="ohem")


@torch.no_grad()
def hard_pixels(
    losses: Tensor, valid: Tensor, options: OhemOptions, *, weights: Tensor | None = None
) -> Tensor:
    """Choose the pixels that are learnt from.

    Args:
        losses: float `(B, H, W)` cross entropy of each pixel, without weights.
        valid: bool `(B, H, W)`, whether a pixel has a label.
        options: How many, and which.
        weights: float `(B, H, W)` factors of the losses where they are ranked; the threshold
            applies to probabilities, without weights.

    Returns:
        bool `(B, H, W)`; never a pixel without a label.
    """
    kept = options.min_kept * len(losses)
    if options.threshold is None:
        ranked = losses if weights is None else losses * weights
        order = ranked.masked_fill(~valid, -torch.inf).flatten().argsort(descending=True)
        chosen = torch.zeros_like(valid).flatten()
        chosen[order[:kept]] = True
        return chosen.view_as(valid) & valid
    probability = (-losses).exp().masked_fill(~valid, torch.inf)
    # No boolean indexing: the number of labelled pixels stays on the device.
    last = (valid.sum() - 1).clamp(min=0, max=kept)
    limit = probability.flatten().sort().values.gather(0, last[None])
    return (probability < limit.clamp(min=options.threshold)) & valid
