"""The classification loss against PyTorch's cross-entropy and a sum written out."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from vision.losses.classification import ClassificationLoss

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
