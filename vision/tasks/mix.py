"""Augmentation of whole training batches on the device: random erasing, mixup and cutmix."""

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from vision.errors import ConfigError
from vision.ops.erase import erase_random


@dataclass(frozen=True)
class MixSettings:
    """Options of random erasing, mixup and cutmix; all of them off by default.

    Attributes:
        mixup: Parameter of the Beta distribution of mixup's share; 0 for no mixup.
        cutmix: The same of cutmix.
        prob: Probability of mixing a batch at all.
        switch_prob: Probability of cutmix for a mixed batch where both are on.
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
        for name, value in asdict(self).items():
            strength = name in ("mixup", "cutmix")
            if not value >= 0 or (value > 1 and not strength):
                expected = "0 or more" if strength else "in [0, 1]: a probability"
                raise ConfigError(f"mix.{name}={value} must be {expected}.")


class BatchMixer(nn.Module):
    """Erases random rectangles of the images of a batch, then mixes the batch with itself.

    Mixup is "mixup: Beyond Empirical Risk Minimization", 2018; cutmix is "CutMix", 2019. One share
    is drawn for the whole batch; each image is mixed with its neighbour in the batch.

    Args:
        settings: The options.
        num_classes: Number of classes.
    """

    def __init__(self, settings: MixSettings, *, num_classes: int) -> None:
        super().__init__()
        from torchvision.transforms import v2

        self.settings = settings
        self._mixups: list[nn.Module] = []
        if settings.mixup:
            self._mixups.append(v2.MixUp(alpha=settings.mixup, num_classes=num_classes))
        if settings.cutmix:
            self._mixups.append(v2.CutMix(alpha=settings.cutmix, num_classes=num_classes))

    def forward(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Augment a batch; what is drawn for all of it comes from PyTorch's CPU generator.

        Args:
            images: `(B, C, H, W)` float, normalised.
            labels: int64 `(B,)`.

        Returns:
            The images, and the labels: float `(B, K)` probabilities if the batch was mixed, as they
            were otherwise.
        """
        if self.settings.erasing:
            images = erase_random(images, self.settings.erasing)
        mix, switch = torch.rand(2).tolist()
        if not self._mixups or mix >= self.settings.prob:
            return images, labels
        both = len(self._mixups) == 2
        chosen = self._mixups[1 if both and switch < self.settings.switch_prob else 0]
        return chosen(images, labels)
