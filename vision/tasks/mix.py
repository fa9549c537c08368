"""Augmentation of whole training batches on the device: random erasing, mixup and cutmix."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributions import Gamma
from torch.nn import functional as F

from vision.ops.erase import erase_random
from vision.options import PROBABILITY, Range, check_ranges

# From 1000 on, all shares are within a few per cent of a half.
STRENGTH = Range(minimum=0, maximum=1000)
RANGES = {"mixup": STRENGTH, "cutmix": STRENGTH}
RANGES |= dict.fromkeys(("prob", "switch_prob", "erasing"), PROBABILITY)


@dataclass(frozen=True)
class MixSettings:
    """Options of random erasing, mixup and cutmix; all of them off by default.

    Attributes:
        mixup: Parameter of the Beta distribution of mixup's share; 0 for no mixup.
        cutmix: Parameter of the Beta distribution of cutmix's share; 0 for no cutmix.
        prob: Probability of mixing a batch at all.
        switch_prob: Probability of cutmix for a mixed batch if both are on.
        erasing: Probability of erasing a random rectangle of an image.

    Raises:
        ConfigError: A value is out of its range.
    """

    mixup: float = 0.0
    cutmix: float = 0.0
    prob: float = 1.0
    switch_prob: float = 0.5
    erasing: float = 0.0

    def __post_init__(self) -> None:
        check_ranges(vars(self), RANGES, group="mix")


class BatchMixer(nn.Module):
    """Erases random rectangles of the images of a batch, then mixes the batch with its reverse.

    Mixup is "mixup: Beyond Empirical Risk Minimization", 2018; cutmix is "CutMix", 2019. As in timm
    one share is drawn for the whole batch, and image i of B is mixed with image B - 1 - i. With
    repeated augmentation the draws of an image lie side by side, so that at most the two images in
    the middle are mixed with themselves. The middle image of an odd batch has itself for a partner.

    Args:
        settings: The options.
        num_classes: Number of classes.
    """

    def __init__(self, settings: MixSettings, *, num_classes: int) -> None:
        super().__init__()
        self.settings = settings
        self.num_classes = num_classes

    @property
    def mixes(self) -> bool:
        """Whether batches are mixed, which needs class indices."""
        return bool(self.settings.mixup or self.settings.cutmix)

    def forward(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Augment a batch; what is drawn for all of it comes from PyTorch's CPU generator.

        Args:
            images: `(B, C, H, W)` float, normalised.
            labels: int64 `(B,)`, or float `(B, K)`, 1 for each class that is present.

        Returns:
            The images, and the labels: float `(B, K)` probabilities if the batch was mixed, else
            unchanged.
        """
        settings = self.settings
        if settings.erasing:
            images = erase_random(images, settings.erasing)
        mix, switch = torch.rand(2).tolist()
        if not self.mixes or mix >= settings.prob:
            return images, labels
        if settings.cutmix and (not settings.mixup or switch < settings.switch_prob):
            images, share = cut_and_paste(images, sample_share(settings.cutmix))
        else:
            share = sample_share(settings.mixup)
            images = torch.lerp(images.flip(0), images, share)
        sets = labels.is_floating_point()
        own = labels if sets else F.one_hot(labels, self.num_classes).float()  # (B, K)
        return images, torch.lerp(own.flip(0), own, share)


def cut_and_paste(images: Tensor, share: float) -> tuple[Tensor, float]:
    """Paste a rectangle of each image of the reversed batch into the image, as cutmix does.

    The rectangle has the ratio of the image and its centre at a random pixel; what lies outside is
    cut off.

    Args:
        images: `(B, C, H, W)`.
        share: Share of the area that an image would keep if nothing were cut off, in [0, 1].

    Returns:
        The images, and the share that each has kept.
    """
    height, width = images.shape[-2:]
    rows, columns = (_sample_span(side, math.sqrt(1 - share)) for side in (height, width))
    pasted = images.clone()
    pasted[:, :, rows, columns] = images.flip(0)[:, :, rows, columns]
    area = (rows.stop - rows.start) * (columns.stop - columns.start)
    return pasted, 1 - area / (height * width)


def sample_share(alpha: float) -> float:
    """Sample from Beta(alpha, alpha).

    It is the share of one of two gamma variates in their sum. Their logarithms are sampled: for a
    small alpha the variates themselves underflow to zero.
    """
    # A variate of alpha is one of alpha + 1 times a uniform number to the power 1 / alpha.
    larger = Gamma(torch.tensor(alpha + 1, dtype=torch.float64), 1.0).sample((2,))
    logs = alpha * larger.log() + torch.log1p(-torch.rand(2, dtype=torch.float64))
    return float(torch.sigmoid((logs[0] - logs[1]) / alpha))


def _sample_span(length: int, share: float) -> slice:
    """A share of an axis around a random pixel, cut off at the ends."""
    half, centre = int(0.5 * share * length), int(torch.randint(length, ()))
    return slice(max(0, centre - half), min(length, centre + half))
