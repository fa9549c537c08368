"""Scikit-learn's handwritten digits as arrays: what a dataset and composed scenes read.

From "Optical Recognition of Handwritten Digits", E. Alpaydin and C. Kaynak, 1998, UCI Machine
Learning Repository (CC BY 4.0), https://doi.org/10.24432/C50P49: its test set, 8 x 8 pixels with
17 levels.
"""

from importlib.util import find_spec
from pathlib import Path

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
    table = torch.from_numpy(_read_table())
    images = table[:, :-1].unflatten(1, (1, NATIVE_SIZE, NATIVE_SIZE)).float() * (255 / LEVELS)
    images = F.interpolate(images, size=image_size, mode="bicubic")
    return images.squeeze(1).round().clamp(0, 255).byte(), table[:, -1].long()


def _read_table() -> np.ndarray:
    """The 64 levels and the label of each digit, float64 `(1797, 65)`.

    Scikit-learn's own reader imports pandas, for which a first run would wait a second or more.
    """
    package = find_spec("sklearn")  # finds the package without importing it
    assert package is not None, "scikit-learn is required"
    assert package.origin is not None, "it is a folder with files"
    return np.loadtxt(Path(package.origin).parent / "datasets/data/digits.csv.gz", delimiter=",")


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
