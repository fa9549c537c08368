"""Digits are those that scikit-learn reads."""

import torch
from sklearn.datasets import load_digits as load_from_sklearn

from vision.data.formats.digits import load_digits


def test_all_images_and_labels_are_scikit_learns() -> None:
    digits = load_from_sklearn()
    images, labels = load_digits(8)
    expected = torch.from_numpy(digits.images * 255 / 16).round().byte()
    assert torch.equal(images, expected)
    assert torch.equal(labels, torch.from_numpy(digits.target))
