"""How well features tell classes apart: the weighted vote of the nearest neighbours.

"Emerging Properties in Self-Supervised Vision Transformers" (DINO), Caron et al., 2021, section 4.1
and appendix F; after "Unsupervised Feature Learning via Non-Parametric Instance Discrimination", Wu
et al., 2018, section 3.4.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from vision.errors import ConfigError
from vision.options import check_number

# As in DINO.
NEIGHBOURS, TEMPERATURE = 20, 0.07
# Similarities are computed for so many pairs at once, 64 MiB in float32.
MAX_PAIRS = 1 << 24


class KnnAccuracy(NamedTuple):
    """The accuracy of the vote of the nearest neighbours.

    Attributes:
        top1: Share of images whose class has most votes, in [0, 1].
        top5: Share of images whose class is among the five with most votes; of fewer than five
            neighbours, among as many classes as there are neighbours.
    """

    top1: float
    top5: float


def knn_votes(
    train: Tensor,
    labels: Tensor,
    test: Tensor,
    *,
    num_classes: int,
    k: int = NEIGHBOURS,
    temperature: float = TEMPERATURE,
) -> Tensor:
    """Votes of the nearest neighbours: each votes exp(cosine similarity / T) for its class.

    Args:
        train: Unit vectors `(N, D)`.
        labels: int64 `(N,)`, their classes.
        test: Unit vectors `(M, D)`.
        num_classes: K.
        k: Number of neighbours; all there are if they are fewer.
        temperature: T; the smaller it is, the more the nearest ones decide.

    Returns:
        float64 `(M, K)`.

    Raises:
        ConfigError: A number is out of its range.
    """
    check_number("k", k, minimum=1)
    check_number("temperature", temperature, minimum=0.01, maximum=1000)
    k = min(k, len(train))
    votes = torch.zeros(len(test), num_classes, dtype=torch.float64, device=test.device)
    rows = max(1, MAX_PAIRS // max(1, len(train)))
    for part, counted in zip(test.split(rows), votes.split(rows), strict=True):
        similarity, nearest = (part @ train.T).topk(k, dim=1)  # (rows, k)
        counted.scatter_add_(1, labels[nearest], (similarity.double() / temperature).exp())
    return votes


def knn_accuracy(
    train: Tensor,
    train_labels: Tensor,
    test: Tensor,
    test_labels: Tensor,
    *,
    k: int = NEIGHBOURS,
    temperature: float = TEMPERATURE,
) -> KnnAccuracy:
    """Classify each test image by its nearest training images.

    Args:
        train: Features `(N, D)`; they are made unit vectors.
        train_labels: int64 `(N,)`.
        test: Features `(M, D)`.
        test_labels: int64 `(M,)`, of the same classes.
        k: Number of neighbours.
        temperature: As in `knn_votes`.

    Raises:
        ConfigError: A number is out of its range, there are no images, or the widths differ.
    """
    if not len(train) or not len(test):
        raise ConfigError(
            f"neighbours need images: there are {len(train)} to vote, {len(test)} to classify."
        )
    if train.shape[1] != test.shape[1]:
        raise ConfigError(
            f"features of {train.shape[1]} and of {test.shape[1]} numbers are of different models: "
            "take both from one."
        )
    classes = int(max(train_labels.max(), test_labels.max())) + 1
    votes = knn_votes(
        F.normalize(train, dim=1),
        train_labels,
        F.normalize(test, dim=1),
        num_classes=classes,
        k=k,
        temperature=temperature,
    )
    ranked = votes.argsort(dim=1, descending=True, stable=True)  # (M, K)
    right = ranked == test_labels[:, None]
    top = [right[:, : min(count, k)].any(dim=1).double().mean() for count in (1, 5)]
    return KnnAccuracy(*(float(share) for share in top))
