"""Scikit-learn's handwritten digits as arrays: what a dataset and composed scenes read.

From "Optical Recognition of Handwritten Digits", E. Alpaydin and C. Kaynak, 1998, UCI Machine
Learning Repository (CC BY 4.0), https://doi.org/10.24432/C50P49: its test set, 8 x 8 pixels with
17 levels.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

LEVELS = 16
NATIVE_SIZE = 8
# Every fifth image, counted class by class, is held out: 360 of 1,797.
HELD_OUT = 5


def load_digits(image_size: int) -> tuple[Tensor, Tensor]:
    """All digits, scaled up bicubically.

    Returns:
        Images, uint8 `(1797, image_size, image_size)`, white on black, and labels, int64 `(1797,)`.
    """
    from sklearn.datasets import load_digits as load_from_sklearn

    digits = load_from_sklearn()
    images = torch.from_numpy(digits.images).float().unsqueeze(1) * (255 / LEVELS)
    images = F.interpolate(images, size=image_size, mode="bicubic")
    return images.squeeze(1).round().clamp(0, 255).byte(), torch.from_numpy(digits.target).long()


def split_digits(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Split the digits into training and validation, the same way every time.

    Args:
        labels: int64 `(N,)`, classes of all digits.

    Returns:
        Ascending indices of the training digits and of the held-out ones, a fifth of each class.
    """
    held_out = torch.from_numpy(np.sort(np.argsort(labels.numpy(), kind="stable")[::HELD_OUT]))
    kept = torch.ones(len(labels), dtype=torch.bool)
    kept[held_out] = False
    return kept.nonzero().squeeze(1), held_out
