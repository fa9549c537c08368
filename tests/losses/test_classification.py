"""The classification losses against PyTorch's, timm's, and sums written out."""

from typing import Any

import numpy as np
import pytest
import torch
from helpers.refusals import refuses
from sklearn.utils.class_weight import compute_class_weight
from timm.data import Mixup
from timm.loss import BinaryCrossEntropy
from torch import Tensor
from torch.nn import functional as F

from vision.errors import ConfigError
from vision.losses.classification import ClassificationLoss, LossSettings, balanced_weights
from vision.losses.focal import sigmoid_focal_loss

GENERATOR = torch.Generator().manual_seed(0)
LOGITS = torch.randn(6, 5, generator=GENERATOR)
INDICES = torch.tensor([0, 4, 2, 2, 1, 3])
MIXED = torch.rand(6, 5, generator=GENERATOR).softmax(dim=-1)


def loss_of(logits: Tensor, labels: Tensor, smoothing: float, *, training: bool = True) -> Tensor:
    criterion = ClassificationLoss(smoothing).train(training)
    terms = criterion({"logits": logits}, {"image": None, "size": None, "label": labels})
    assert list(terms) == ["loss_cls"]
    return terms["loss_cls"]


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("labels", [INDICES, MIXED], ids=["indices", "probabilities"])
def test_equals_cross_entropy(labels: Tensor, smoothing: float) -> None:
    expected = F.cross_entropy(LOGITS, labels, label_smoothing=smoothing)
    assert torch.equal(loss_of(LOGITS, labels, smoothing), expected)


def test_smoothing_spreads_its_share_over_all_classes() -> None:
    target = 0.9 * F.one_hot(INDICES, 5) + 0.1 / 5
    expected = -(target * LOGITS.log_softmax(dim=-1)).sum(dim=-1).mean()
    torch.testing.assert_close(loss_of(LOGITS, INDICES, 0.1), expected)


def test_evaluation_is_not_smoothed() -> None:
    plain = F.cross_entropy(LOGITS, INDICES)
    assert torch.equal(loss_of(LOGITS, INDICES, 0.1, training=False), plain)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_logits_give_a_float32_loss(dtype: torch.dtype) -> None:
    logits = (100 * LOGITS).to(dtype)
    loss = loss_of(logits, MIXED.to(dtype), 0.0)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, F.cross_entropy(logits.float(), MIXED.to(dtype).float()))


def test_float64_stays_float64() -> None:
    assert loss_of(LOGITS.double(), MIXED, 0.1).dtype == torch.float64


def of(settings: LossSettings, labels: Tensor, smoothing: float = 0.0, **options: Any) -> Tensor:
    criterion = ClassificationLoss(smoothing, settings=settings, num_classes=5, **options)
    return criterion({"logits": LOGITS}, {"image": None, "size": None, "label": labels})["loss_cls"]


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("threshold", [None, 0.2])
@pytest.mark.parametrize("sums", [False, True])
def test_binary_cross_entropy_is_timms(
    smoothing: float, threshold: float | None, sums: bool
) -> None:
    settings = LossSettings(name="bce", target_threshold=threshold, sum_classes=sums)
    theirs = BinaryCrossEntropy(smoothing, target_threshold=threshold, sum_classes=sums)
    torch.testing.assert_close(of(settings, INDICES, smoothing), theirs(LOGITS, INDICES))
    # timm smooths mixed targets where it mixes them.
    mixed = Mixup(mixup_alpha=1.0, label_smoothing=smoothing, num_classes=5)
    np.random.seed(0)
    _, theirs_mixed = mixed(torch.zeros(6, 3, 2, 2), INDICES)
    np.random.seed(0)
    mixed.label_smoothing = 0.0
    _, plain = mixed(torch.zeros(6, 3, 2, 2), INDICES)
    torch.testing.assert_close(of(settings, plain, smoothing), theirs(LOGITS, theirs_mixed))


def test_sets_of_classes_are_smoothed_towards_a_half() -> None:
    sets = (MIXED > 0.2).float()
    theirs = BinaryCrossEntropy(0.1, smooth_dense=True)
    loss = of(LossSettings(name="bce"), sets, 0.1, multi_label=True)
    torch.testing.assert_close(loss, theirs(LOGITS, sets))


def test_focal_is_that_of_the_detectors() -> None:
    settings = LossSettings(name="focal", alpha=0.3, gamma=1.5, sum_classes=True)
    expected = sigmoid_focal_loss(LOGITS, INDICES, alpha=0.3, gamma=1.5) / len(INDICES)
    torch.testing.assert_close(of(settings, INDICES), expected)


def test_weights_of_classes() -> None:
    weights = [0.0, 1.0, 2.0, 0.5, 1.0]
    expected = F.cross_entropy(LOGITS, INDICES, torch.tensor(weights))
    settings = LossSettings(class_weights=weights)
    torch.testing.assert_close(of(settings, INDICES), expected)
    plain = ClassificationLoss(settings=settings, num_classes=5).eval()
    assert "class_weights" not in plain.state_dict()
    batch = {"image": None, "size": None, "label": INDICES}
    loss = plain({"logits": LOGITS}, batch)["loss_cls"]
    torch.testing.assert_close(loss, F.cross_entropy(LOGITS, INDICES))
    weighed = LossSettings(name="bce", class_weights=weights)
    terms = F.binary_cross_entropy_with_logits(
        LOGITS, F.one_hot(INDICES, 5).float(), reduction="none"
    )
    torch.testing.assert_close(of(weighed, INDICES), (terms * torch.tensor(weights)).mean())


def test_balanced_weights_are_scikit_learns() -> None:
    labels = torch.tensor([0] * 7 + [1] * 2 + [3] * 3)
    expected = compute_class_weight("balanced", classes=np.array([0, 1, 3]), y=labels.numpy())
    weights = balanced_weights(labels.bincount(minlength=5))
    assert weights[[0, 1, 3]].tolist() == pytest.approx(expected.tolist())
    assert weights[[2, 4]].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"name": "bse"}, ("loss.name='bse'", "Did you mean 'bce'")),
        ({"target_threshold": 0.2}, ("target_threshold=0.2", "'bce'")),
        ({"name": "bce", "target_threshold": 1.0}, ("loss.target_threshold=1.0",)),
        ({"class_weights": [1.0, -1.0]}, ("loss.class_weights", "0 or more")),
        ({"class_weights": [0.0] * 5}, ("all 0",)),
        ({"class_weights": [1.0] * 4}, ("4 numbers", "5 classes")),
    ],
    ids=str,
)
def test_settings_that_do_not_fit_are_refused(
    options: dict[str, Any], said: tuple[str, ...]
) -> None:
    with refuses(ConfigError, *said):
        ClassificationLoss(settings=LossSettings(**options), num_classes=5)
