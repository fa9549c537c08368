"""MonoDETR's head; its numbers are in `test_parity_heads.py`."""

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_monocular import TINY, arguments, specs, tiny_head
from torch import Tensor, nn

from vision.contracts.features import FeatureSpec
from vision.errors import ConfigError
from vision.heads.detection3d.monodetr import MonoDETRHead
from vision.heads.detection3d.object_depth import depth_from_height
from vision.ops.monocular_predictions import MonocularOutputs
from vision.weights.names.monodetr import TABLE


def test_parameters_of_the_published_head() -> None:
    """As counted in the authors' classes, with those of theirs that have no effect."""
    pyramid = [FeatureSpec(512, 8), FeatureSpec(1024, 16), FeatureSpec(2048, 32)]
    head = MonoDETRHead(pyramid, num_classes=3)
    counted = {"": 0, "depth_predictor": 0, "input_proj": 0, "query_embed": 0}
    for name, tensor in TABLE.write(head.state_dict()).items():
        # Networks that are there twice are counted once.
        if ".decoder.bbox_embed." not in name and ".decoder.dim_embed." not in name:
            counted[""] += tensor.numel()
            part = name.partition(".")[0]
            if part in counted:
                counted[part] += tensor.numel()
    assert counted == {
        "": 14220308,
        "depth_predictor": 2336674,
        "input_proj": 5639168,
        "query_embed": 281600,
    }


@torch.no_grad()
@pytest.mark.parametrize("size", [(64, 96), (65, 97), (72, 130)])
def test_any_size(size: tuple[int, int]) -> None:
    head = tiny_head().eval()
    maps, *rest = arguments(*size)
    outputs = head(maps, *rest)
    assert outputs["logits"].shape == (2, 5, 3)
    assert outputs["boxes"].shape == (2, 5, 6)
    assert outputs["angles"].shape == (2, 5, 24)
    cells = [-(-side // 16) for side in size]
    assert outputs["depth_logits"].shape == (2, 7, *cells)
    assert [layer["depth_m"].shape for layer in outputs["layers"]] == [(2, 5)]
    # The images of a batch do not see each other.
    alone = head([x[1:] for x in maps], *(x[1:] for x in rest))
    torch.testing.assert_close(alone["depth_m"], outputs["depth_m"][1:])
    detections = head.decode(outputs, head.views(*rest))
    assert detections["boxes3d"].shape == (2, 4, 7)


@torch.no_grad()
def test_groups_do_not_see_each_other() -> None:
    head = tiny_head().train()
    before = head(*arguments(64, 96))
    assert before["logits"].shape == (2, 15, 3)
    assert before["num_groups"] == 3
    head.queries.table[5:] += 1
    after = head(*arguments(64, 96))
    torch.testing.assert_close(after["boxes"][:, :5], before["boxes"][:, :5])
    assert not torch.allclose(after["boxes"][:, 5:], before["boxes"][:, 5:], atol=1e-3)
    # The first group is the one of evaluation.
    evaluated = head.eval()(*arguments(64, 96))
    assert evaluated["num_groups"] == 1
    torch.testing.assert_close(evaluated["boxes"], before["boxes"][:, :5])


def total(outputs: MonocularOutputs) -> Tensor:
    keys = ("logits", "boxes", "sizes", "depth_m", "log_scale", "angles")
    terms = [p[key].cos().sum() for p in (outputs, *outputs["layers"]) for key in keys]
    return torch.stack(terms).sum() + outputs["depth_logits"].cos().sum()


def test_every_parameter_has_a_gradient() -> None:
    head = tiny_head().train()
    # Offsets and weights of the deformable attention begin without a look at the query.
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    total(head(*arguments(64, 96))).backward()
    assert [name for name, p in head.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_a_layer_learns_nothing_from_the_boxes_of_the_next_one() -> None:
    """Boxes are refined from references without a gradient, but for the points of the first."""
    head = tiny_head().train()
    outputs = head(*arguments(64, 96))
    outputs["boxes"].sum().backward(retain_graph=True)
    first, last = head.predictions
    assert all(parameter.grad is None for parameter in first.boxes.parameters())
    assert all(parameter.grad is not None for parameter in last.boxes.parameters())
    head.zero_grad()
    outputs["layers"][0]["boxes"].sum().backward()
    assert head.decoder.points.weight.grad.any()
    assert all(parameter.grad is not None for parameter in first.boxes.parameters())


def test_initial_values() -> None:
    head = tiny_head()
    for layer in head.predictions:
        torch.testing.assert_close(layer.classes.bias.sigmoid(), torch.full((3,), 0.01))
    first, second = (layer.boxes.layers[-1].bias for layer in head.predictions)
    assert first[2:].tolist() == [-2] * 4
    assert second[2:].abs().max() < 1
    assert not head.decoder.points.bias.any()
    assert not head.projections.coarser[0].conv.bias.any()
    bound = (6 / (32 + 12)) ** 0.5
    assert head.encoder[0].mlp.fc1.weight.abs().max().item() == pytest.approx(bound, rel=0.05)
    assert head.queries.table.std().item() == pytest.approx(1, rel=0.1)


def named_tensors(head: MonoDETRHead) -> list[tuple[str, Tensor]]:
    return [*head.named_parameters(), *head.named_buffers()]


def test_initialised_again_in_place() -> None:
    """What is computed from options too: weights may be put into a head without memory."""
    head = tiny_head(mean_sizes=[[1.8, 0.7, 0.8]] * 3)
    before = {name: value.clone() for name, value in named_tensors(head)}
    with torch.no_grad():
        for _, value in named_tensors(head):
            value.fill_(7)
    head.reset_parameters()
    for name, value in named_tensors(head):
        assert not (value == 7).any(), name
        constant = before[name].unique().numel() == 1 or name in dict(head.named_buffers())
        assert not constant or torch.equal(value, before[name]), name


@torch.no_grad()
def test_mean_sizes_raise_the_depth_that_follows_from_heights() -> None:
    means = [[1.8, 0.7, 0.8], [1.5, 1.6, 3.9], [1.7, 0.6, 1.8]]
    plain, with_means = tiny_head().eval(), tiny_head(mean_sizes=means).eval()
    before, after = (head(*arguments(64, 96)) for head in (plain, with_means))
    torch.testing.assert_close(after["sizes"], before["sizes"])
    heights = torch.tensor(means)[before["logits"].argmax(dim=-1), 0]
    _, *rest = arguments(64, 96)
    more = depth_from_height(heights, before["boxes"], plain.views(*rest)) / 3
    torch.testing.assert_close(after["depth_m"] - before["depth_m"], more, rtol=1e-3, atol=1e-4)
    assert "mean_sizes" not in with_means.state_dict()


def test_rows_of_classes() -> None:
    head = tiny_head()
    state, rows = head.state_dict(), head.class_rows()
    assert len(rows) == 4
    assert all(state[name].shape[0] == 3 for name in rows)


def test_predictions_by_falling_score() -> None:
    """The scale of the depth decides among equal classes; the threshold is for the class."""
    head = tiny_head()
    detections: Any = {
        "boxes3d": torch.arange(28.0).view(1, 4, 7),
        "boxes": torch.tensor([[[-5.0, 10, 30, 500]]]).expand(1, 4, 4),
        "alpha": torch.zeros(1, 4),
        "class_scores": torch.tensor([[0.9, 0.8, 0.6, 0.1]]),
        "scores": torch.tensor([[0.2, 0.7, 0.3, 0.9]]),
        "labels": torch.zeros(1, 4, dtype=torch.int64),
        "count": torch.tensor([3]),
    }
    (found,) = head.predict(detections, torch.tensor([[400, 600]]))
    torch.testing.assert_close(found["scores"], torch.tensor([0.7, 0.3, 0.2]))
    assert found["boxes3d"][:, 0].tolist() == [7, 14, 0]
    assert found["boxes"][0].tolist() == [0, 10, 30, 400]
    (whole,) = head.predict(detections)
    assert whole["boxes"][0].tolist() == [-5, 10, 30, 500]


class Whole(nn.Module):
    """The head up to boxes in space."""

    def __init__(self) -> None:
        super().__init__()
        self.head = tiny_head(exact_rows=True)

    def forward(
        self, a: Tensor, b: Tensor, c: Tensor, cameras: Tensor, sizes: Tensor
    ) -> tuple[Tensor, ...]:
        views = self.head.views(cameras, sizes, 2 * sizes)
        # The finest map is not read.
        outputs = self.head([a, a, b, c], cameras, sizes, 2 * sizes)
        found = self.head.decode(outputs, views)
        return tuple(found[key] for key in ("boxes3d", "boxes", "scores", "labels", "count"))


def inputs(height: int, width: int, batch: int) -> tuple[Tensor, ...]:
    maps, cameras, sizes, _ = arguments(height, width, batch)
    return *maps[1:], cameras.clone(), sizes.clone()


@pytest.mark.filterwarnings("ignore")
@torch.no_grad()
def test_onnx_of_opset_16_agrees_at_other_sizes(tmp_path: Path) -> None:
    import onnxruntime

    model, path, names = Whole().eval(), tmp_path / "head.onnx", [*"abc", "cameras", "sizes"]
    axes = {x: {0: "batch", 2: f"{x}_rows", 3: f"{x}_columns"} for x in "abc"}
    torch.onnx.export(
        model,
        inputs(64, 96, 2),
        path,
        dynamo=False,
        opset_version=16,
        input_names=names,
        dynamic_axes={**axes, "cameras": {0: "batch"}, "sizes": {0: "batch"}},
    )
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for size in ((64, 96, 2), (96, 160, 3)):
        values = inputs(*size)
        feed = {name: value.numpy() for name, value in zip(names, values, strict=True)}
        for found, expected in zip(session.run(None, feed), model(*values), strict=True):
            torch.testing.assert_close(torch.from_numpy(found), expected, rtol=1e-3, atol=1e-3)


@torch.no_grad()
def test_torch_export_agrees() -> None:
    # In float64: the order of sums differs, and the depth follows its rounding steeply.
    model = Whole().double().eval()
    values = tuple(x.double() if x.is_floating_point() else x for x in inputs(64, 96, 2))
    program = torch.export.export(model, values)
    for found, expected in zip(program.module()(*values), model(*values), strict=True):
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"design": {"dim": 48}}, ("design.dim=48", "32")),
        ({"design": {"dropout": 1}}, ("design.dropout=1", "below 1")),
        ({"design": {"width": 1}}, ("design.width", "dim")),
        ({"bins": {"maximum": 1e-3}}, ("bins.maximum", "metres")),
        ({"num_groups": 0}, ("num_groups=0", "from 1")),
        ({"score_threshold": 2}, ("score_threshold=2", "from 0 to 1")),
        ({"mean_sizes": [[1.0, 1, 1]]}, ("mean_sizes", "3 rows", "metres")),
        ({"mean_sizes": [[1.0, 1, 1], [1, 1], [1, 1, 1]]}, ("mean_sizes", "3 rows")),
    ],
)
def test_impossible_options(options: dict[str, Any], parts: tuple[str, ...]) -> None:
    with refuses(ConfigError, *parts):
        tiny_head(**options)


def test_a_pyramid_without_a_map() -> None:
    with refuses(ConfigError, "strides [4, 8, 32]", "lacks 16", "neck"):
        MonoDETRHead(specs((4, 8, 32)), **TINY)
