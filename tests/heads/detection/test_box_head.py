"""The box branch, against torchvision's."""

import pytest
import torch
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead

from vision.contracts.features import ClassRows
from vision.heads.detection.box_head import BoxHead


def test_two_linear_layers_are_torchvisions() -> None:
    branch = BoxHead(4, num_classes=5, fc_dim=8)
    x = torch.randn(6, 4, 7, 7)
    body, predictor = TwoMLPHead(4 * 49, 8), FastRCNNPredictor(8, 6)
    state = branch.state_dict()
    names = {"fc6": "fcs.0", "fc7": "fcs.1"}
    body.load_state_dict(
        {f"{a}.{k}": state[f"{b}.{k}"] for a, b in names.items() for k in ("weight", "bias")}
    )
    predictor.cls_score.load_state_dict(branch.logits.state_dict())
    logits, _ = predictor(body(x))
    outputs = branch(x)
    torch.testing.assert_close(outputs.logits, logits)
    expected = body(x) @ state["deltas.weight"].T + state["deltas.bias"]
    torch.testing.assert_close(outputs.deltas, expected.view(6, 5, 4))


def test_four_convolutions_and_a_linear_layer() -> None:
    branch = BoxHead(4, num_classes=5, kind="4conv1fc", channels=6, fc_dim=8, class_agnostic=True)
    names = {name: tuple(value.shape) for name, value in branch.named_parameters()}
    for i in range(4):
        assert names[f"convs.{i}.conv.weight"] == (6, 6 if i else 4, 3, 3)
        assert names[f"convs.{i}.norm.weight"] == (6,)
        assert f"convs.{i}.conv.bias" not in names
    assert names["fcs.0.weight"] == (8, 6 * 49)
    assert "fcs.1.weight" not in names
    assert names["deltas.weight"] == (4, 8)
    assert names["logits.weight"] == (6, 8)
    outputs = branch(torch.randn(3, 4, 7, 7))
    assert outputs.logits.shape == (3, 6)
    assert outputs.deltas.shape == (3, 1, 4)
    assert branch.has_norm
    assert not BoxHead(4, num_classes=5).has_norm


def test_a_step_is_convolution_norm_relu() -> None:
    branch = BoxHead(4, num_classes=2, kind="4conv1fc", channels=6, fc_dim=8)
    x = torch.randn(3, 4, 7, 7)
    raw = torch.nn.functional.conv2d(x, branch.convs[0].conv.weight, padding=1)
    spread = raw.var(dim=(0, 2, 3), unbiased=False, keepdim=True)
    expected = (raw - raw.mean(dim=(0, 2, 3), keepdim=True)) / (spread + 1e-5).sqrt()
    torch.testing.assert_close(branch.convs[0](x), expected.clamp(min=0), rtol=1e-4, atol=1e-5)


def test_rows_go_to_their_places() -> None:
    branch = BoxHead(4, num_classes=2, fc_dim=8)
    x = torch.randn(2, 4, 7, 7)
    table = branch.run_rows(x, torch.tensor([1, 4]), 5)
    rows = branch(x)
    assert table.logits.shape == (5, 3)
    assert torch.equal(table.logits[[1, 4]], rows.logits)
    assert torch.equal(table.deltas[[1, 4]], rows.deltas)
    assert not table.deltas[[0, 2, 3]].any()


def test_it_starts_as_published() -> None:
    torch.manual_seed(0)
    branch = BoxHead(16, num_classes=40, kind="4conv1fc", channels=32, fc_dim=256)
    assert branch.logits.weight.std().item() == pytest.approx(0.01, rel=0.05)
    assert branch.deltas.weight.std().item() == pytest.approx(0.001, rel=0.05)
    # Xavier: uniform within sqrt(6 / (in + out)).
    bound = (6 / (32 * 49 + 256)) ** 0.5
    assert branch.fcs[0].weight.abs().max().item() == pytest.approx(bound, rel=0.01)
    # Kaiming, fan out: sqrt(2 / (out * 9)).
    std = (2 / (32 * 9)) ** 0.5
    assert branch.convs[1].conv.weight.std().item() == pytest.approx(std, rel=0.05)
    assert not branch.fcs[0].bias.any()


@pytest.mark.parametrize("class_agnostic", [True, False])
def test_class_rows_fit_the_parameters(class_agnostic: bool) -> None:
    branch = BoxHead(4, num_classes=5, fc_dim=8, class_agnostic=class_agnostic)
    rows, parameters = branch.class_rows(), dict(branch.named_parameters())
    assert rows["logits.weight"] == ClassRows(1, 1, True)
    assert ("deltas.bias" in rows) != class_agnostic
    for name, row in rows.items():
        assert len(parameters[name]) == row.groups * row.per_class * (5 + row.background)
