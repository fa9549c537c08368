"""Repeat-factor sampling: images with rare classes come several times in an epoch."""

import numpy as np
import torch
from torch import Tensor


def count_images(
    starts: np.ndarray, labels: np.ndarray, crowd: np.ndarray, num_classes: int
) -> np.ndarray:
    """The number of images with each class; crowds, which are not learnt, do not count.

    Args:
        starts: int64 `(N + 1,)`: the objects of image i are `starts[i]` to `starts[i + 1] - 1`.
        labels: int `(M,)` class of each object.
        crowd: bool `(M,)`.
        num_classes: Number of classes K.

    Returns:
        int64 `(K,)`.
    """
    _, classes = _pairs(starts, labels, crowd, num_classes)
    return np.bincount(classes, minlength=num_classes)


def repeat_factors(
    starts: np.ndarray, labels: np.ndarray, crowd: np.ndarray, num_classes: int, *, threshold: float
) -> np.ndarray:
    """How often each image comes in an epoch on average.

    "LVIS: A Dataset for Large Vocabulary Instance Segmentation", Gupta et al., 2019, arXiv
    1908.03195, section 5.2 and appendix: with the share f of the images that have class c, its
    repeat factor is `max(1, sqrt(threshold / f))`; that of an image is the largest of its classes.

    Args:
        starts: As in `count_images`.
        labels: As in `count_images`.
        crowd: As in `count_images`.
        num_classes: As in `count_images`.
        threshold: Share of the images below which a class is oversampled; 0.001 for LVIS.

    Returns:
        float64 `(N,)`, at least 1; 1 for images without objects.
    """
    count = len(starts) - 1
    images, classes = _pairs(starts, labels, crowd, num_classes)
    shares = np.bincount(classes, minlength=num_classes) / max(count, 1)
    of_class = np.sqrt(threshold / np.where(shares > 0, shares, threshold)).clip(min=1)
    factors = np.ones(count)
    np.maximum.at(factors, images, of_class[classes])
    return factors


class StochasticRepeats:
    """Numbers of repeats of an epoch: each factor rounded up or down at random.

    A factor of 2.3 is 3 in three of ten epochs and 2 in the others, as in section 5.2 of the paper.

    Args:
        factors: float `(N,)`, at least 1: average number of repeats of each image.
    """

    def __init__(self, factors: np.ndarray) -> None:
        self.factors = torch.from_numpy(np.asarray(factors, dtype=np.float64))

    def length(self, places: Tensor) -> int:
        """The average number of draws of some images, rounded: the length of each epoch."""
        return max(1, round(float(self.factors[places].sum())))

    def counts(self, generator: torch.Generator) -> Tensor:
        """Repeats of all images in an epoch, int64 `(N,)`, from one random number for each."""
        whole = self.factors.floor()
        chances = torch.rand(len(whole), generator=generator, dtype=torch.float64)
        return (whole + (chances < self.factors - whole)).long()


def _pairs(
    starts: np.ndarray, labels: np.ndarray, crowd: np.ndarray, num_classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Image and class of each pair that occurs, each once."""
    images = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    kept = ~np.asarray(crowd, dtype=bool)
    pairs = np.unique(images[kept] * num_classes + np.asarray(labels)[kept])
    return pairs // num_classes, pairs % num_classes
