"""The mask branch, against torchvision's."""

import pytest
import torch
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor

from vision.contracts.features import ClassRows
from vision.heads.detection.mask_head import MaskHead


def test_it_is_torchvisions() -> None:
    branch = MaskHead(4, num_classes=3, channels=6)
    body, predictor = MaskRCNNHeads(4, (6,) * 4, 1), MaskRCNNPredictor(6, 6, 3)
    state = branch.state_dict()
    body.load_state_dict(
        {f"{i}.0.{k}": state[f"convs.{i}.{k}"] for i in range(4) for k in ("weight", "bias")}
    )
    predictor.conv5_mask.load_state_dict(branch.upsample.state_dict())
    predictor.mask_fcn_logits.load_state_dict(branch.logits.state_dict())
    x = torch.randn(5, 4, 14, 14)
    logits = branch(x)
    assert logits.shape == (5, 3, 28, 28)
    torch.testing.assert_close(logits, predictor(body(x)))


def test_it_starts_as_published() -> None:
    torch.manual_seed(0)
    branch = MaskHead(16, num_classes=80, channels=32)
    # Kaiming, fan out.
    std = (2 / (32 * 9)) ** 0.5
    assert branch.convs[2].weight.std().item() == pytest.approx(std, rel=0.05)
    assert branch.logits.weight.std().item() == pytest.approx((2 / 80) ** 0.5, rel=0.05)
    assert not any(value.any() for name, value in branch.named_parameters() if "bias" in name)


def test_class_rows_fit_the_parameters() -> None:
    branch = MaskHead(4, num_classes=3, channels=6)
    rows = branch.class_rows()
    assert set(rows) == {"logits.weight", "logits.bias"}
    assert set(rows.values()) == {ClassRows(1, 1, False)}
    assert len(branch.logits.weight) == 3
