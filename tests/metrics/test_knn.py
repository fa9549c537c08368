"""The vote of the nearest neighbours, against loops and scikit-learn."""

import math

import pytest
import torch
from helpers.refusals import refuses
from sklearn.neighbors import KNeighborsClassifier
from torch.nn import functional as F

from vision.errors import ConfigError
from vision.metrics import knn
from vision.metrics.knn import knn_accuracy, knn_votes

GENERATOR = torch.Generator().manual_seed(0)
TRAIN, TEST = (torch.randn(count, 6, generator=GENERATOR) for count in (40, 9))
LABELS, TRUE = (torch.randint(0, 4, (count,), generator=GENERATOR) for count in (40, 9))


def test_votes_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knn, "MAX_PAIRS", 100)  # in parts of two images
    train, test = F.normalize(TRAIN, dim=1), F.normalize(TEST, dim=1)
    votes = knn_votes(train, LABELS, test, num_classes=4, k=5, temperature=0.1)
    for row, image in zip(votes.tolist(), test, strict=True):
        ranked = sorted(((float(image @ other), i) for i, other in enumerate(train)), reverse=True)
        expected = [0.0] * 4
        for similarity, i in ranked[:5]:
            expected[int(LABELS[i])] += math.exp(similarity / 0.1)
        assert row == pytest.approx(expected, rel=1e-5)


def test_accuracy_is_scikit_learns() -> None:
    classifier = KNeighborsClassifier(
        7,
        metric="cosine",
        algorithm="brute",
        weights=lambda gaps: torch.from_numpy(1 - gaps).div(0.07).exp().numpy(),
    ).fit(TRAIN.numpy(), LABELS.numpy())
    expected = classifier.score(TEST.numpy(), TRUE.numpy())
    found = knn_accuracy(TRAIN, LABELS, TEST, TRUE, k=7)
    assert found.top1 == pytest.approx(expected)
    assert found.top5 == 1.0  # of four classes


def test_fewer_images_than_neighbours() -> None:
    found = knn_accuracy(TRAIN[:3], torch.tensor([1, 1, 0]), TEST, torch.ones(9).long())
    assert 0 <= found.top1 <= found.top5 <= 1


@pytest.mark.parametrize(
    ("options", "said"),
    [({"k": 0}, "k=0"), ({"temperature": 0.0}, "temperature=0")],
    ids=str,
)
def test_numbers_out_of_range_are_refused(options: dict[str, float], said: str) -> None:
    with refuses(ConfigError, said):
        knn_accuracy(TRAIN, LABELS, TEST, TRUE, **options)  # type: ignore[arg-type]


def test_features_of_other_models_are_refused() -> None:
    with refuses(ConfigError, "6", "5"):
        knn_accuracy(TRAIN, LABELS, TEST[:, :5], TRUE)
    with refuses(ConfigError, "0 to vote"):
        knn_accuracy(TRAIN[:0], LABELS[:0], TEST, TRUE)
