"""The linear classifier."""

import pytest
import torch

from vision.heads.classification.linear import LinearHead


def test_logits_are_the_affine_map() -> None:
    head = LinearHead(4, num_classes=3).double()
    x = torch.randn(5, 4, dtype=torch.float64)
    expected = torch.einsum("bd,kd->bk", x, head.fc.weight) + head.fc.bias
    torch.testing.assert_close(head(x)["logits"], expected)


def test_dropout_acts_in_training_alone() -> None:
    torch.manual_seed(0)
    head = LinearHead(1000, num_classes=2, dropout=0.5)
    x = torch.ones(1, 1000)
    assert torch.equal(head.eval()(x)["logits"], head(x)["logits"])
    assert not torch.equal(head.train()(x)["logits"], head(x)["logits"])


def test_predictions_are_the_classes_of_highest_probability() -> None:
    head = LinearHead(4, num_classes=3)
    logits = torch.tensor([[0.0, 2.0, 1.0], [3.0, -1.0, 0.0]])
    predictions = head.predict({"logits": logits.bfloat16()})
    assert [int(prediction["label"]) for prediction in predictions] == [1, 0]
    for prediction, row in zip(predictions, logits, strict=True):
        assert prediction["scores"].dtype == torch.float32
        torch.testing.assert_close(prediction["scores"], row.exp() / row.exp().sum())


def test_reset_changes_the_weights_and_zeroes_the_bias() -> None:
    head = LinearHead(4, num_classes=3)
    with torch.no_grad():
        head.fc.bias.fill_(1.0)
    before = head.fc.weight.clone()
    head.reset_parameters()
    assert not torch.equal(head.fc.weight, before)
    assert torch.equal(head.fc.bias, torch.zeros(3))


def test_the_initial_weights_can_be_scaled() -> None:
    torch.manual_seed(0)
    whole = LinearHead(32, num_classes=64)
    small = LinearHead(32, num_classes=64, init_scale=0.001)
    assert whole.fc.weight.std().item() == pytest.approx(0.02, rel=0.1)
    assert small.fc.weight.std().item() == pytest.approx(2e-5, rel=0.1)


def test_rows_of_classes_are_all_its_parameters() -> None:
    head = LinearHead(4, num_classes=3)
    rows = head.class_rows()
    assert set(rows) == {name for name, _ in head.named_parameters()}
    for name, (groups, per_class, background) in rows.items():
        assert len(head.get_parameter(name)) == groups * per_class * (3 + background)
