"""The Lovász-Softmax loss of a segmentation."""

from dataclasses import dataclass

import torch
from torch import Tensor

from vision.contracts.segmentation import IGNORED


@dataclass(frozen=True)
class LovaszOptions:
    """Options of the Lovász-Softmax loss.

    Attributes:
        per_image: True averages losses computed per image; false computes one loss over the batch.
    """

    per_image: bool = False


def lovasz_loss(logits: Tensor, labels: Tensor, options: LovaszOptions) -> Tensor:
    """The Lovász extension of one minus the intersection over union, mean of the present classes.

    "The Lovász-Softmax loss: A tractable surrogate for the optimization of the
    intersection-over-union measure in neural networks", Berman et al., 2018, equation 11 and
    algorithm 1.

    Args:
        logits: float `(B, K, H, W)`.
        labels: int64 `(B, H, W)` class of each pixel, `IGNORED` where there is none.
        options: What the overlaps are taken over.

    Returns:
        `()`; images, or a batch, without labelled pixels count as 0.
    """
    probability = logits.softmax(dim=1)
    if not options.per_image:
        return _of_pixels(probability, labels)
    pairs = zip(probability.split(1), labels.split(1), strict=True)
    return torch.stack([_of_pixels(*pair) for pair in pairs]).mean()


def _of_pixels(probability: Tensor, labels: Tensor) -> Tensor:
    """The loss `()` of probabilities `(B, K, H, W)` and labels `(B, H, W)`."""
    valid = labels != IGNORED
    kept = labels[valid]  # (P,)
    present = kept.unique().tolist()
    if not present:
        return 0 * probability.sum()
    losses = []
    for label in present:
        target = kept == label
        own = probability[:, label][valid]  # (P,)
        errors = torch.where(target, 1 - own, own)
        # The extension is linear once the errors are in order.
        losses.append(torch.dot(errors, _slopes(errors.detach(), target)))
    return torch.stack(losses).mean()


@torch.no_grad()
def _slopes(errors: Tensor, target: Tensor) -> Tensor:
    """By how much one minus the overlap grows with each error, `(P,)`, the largest error first."""
    order = errors.argsort(descending=True)
    hits = target[order].cumsum(0)
    count = hits[-1]
    others = torch.arange(1, len(hits) + 1, device=hits.device) - hits
    # Over the first errors together; neighbours differ by less than float32 resolves.
    loss = 1 - (count - hits).double() / (count + others)
    slopes = loss.diff(prepend=loss.new_zeros(1))
    return torch.empty_like(errors).scatter_(0, order, slopes.to(errors.dtype))
