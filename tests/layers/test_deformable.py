"""Deformable attention; the authors' tensors are in `test_parity_heads.py`."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from torch import Tensor, nn

from vision.errors import ConfigError
from vision.layers.deformable import DeformableAttention
from vision.ops.bilinear import SAMPLINGS, Sampling, sampling_by
from vision.ops.deformable_sampling import sum_by_bags, sum_by_gather, sum_by_grid

SIZES = [(4, 6), (2, 3)]
CELLS = 30


def tiny(**options: Any) -> DeformableAttention:
    torch.manual_seed(0)
    layer = DeformableAttention(8, **{"num_levels": 2, "num_heads": 2, "num_points": 3, **options})
    # As initialised, all queries look alike.
    for linear in (layer.offsets, layer.weights):
        nn.init.normal_(linear.weight, std=0.5)
    return layer


def at(values: Tensor, x: float, y: float) -> Tensor:
    """Bilinear value `(D,)` of a map `(H, W, D)` at cells (x, y), zero beyond the border."""
    total = torch.zeros_like(values[0, 0])
    for row in (math.floor(y), math.floor(y) + 1):
        for column in (math.floor(x), math.floor(x) + 1):
            if 0 <= row < values.shape[0] and 0 <= column < values.shape[1]:
                total = total + values[row, column] * (1 - abs(row - y)) * (1 - abs(column - x))
    return total


FORMS: list[Callable[..., Tensor]] = [sum_by_grid, sum_by_gather, sum_by_bags]


@pytest.mark.parametrize("form", FORMS)
def test_a_loop_over_points_gives_the_same(form: Callable[..., Tensor]) -> None:
    torch.manual_seed(0)
    value = torch.randn(2, CELLS, 2, 3, dtype=torch.float64)
    locations = torch.rand(2, 5, 2, 2, 3, 2, dtype=torch.float64) * 1.4 - 0.2
    weights = torch.rand(2, 5, 2, 2, 3, dtype=torch.float64)
    expected = torch.zeros(2, 5, 2, 3, dtype=torch.float64)
    maps = value.split([height * width for height, width in SIZES], dim=1)
    for place in torch.cartesian_prod(*map(torch.arange, weights.shape)).tolist():
        image, query, head, level, _ = place
        height, width = SIZES[level]
        cells = maps[level][image, :, head].view(height, width, 3)
        x, y = (locations[tuple(place)] * torch.tensor([width, height]) - 0.5).tolist()
        expected[image, query, head] += weights[tuple(place)] * at(cells, x, y)
    found = form(value, SIZES, locations, weights)
    torch.testing.assert_close(found, expected.flatten(2), rtol=0, atol=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_gradients_against_finite_differences(form: Callable[..., Tensor]) -> None:
    """Of values, places (beyond the border too) and weights."""
    torch.manual_seed(0)
    value = torch.randn(1, 10, 2, 2, dtype=torch.float64, requires_grad=True)
    # Away from the middles of cells, where bilinear values have no derivative.
    locations = torch.randint(-1, 5, (1, 2, 2, 2, 2, 2)) / 4 + 0.06
    locations = locations.double().requires_grad_()
    weights = torch.rand(1, 2, 2, 2, 2, dtype=torch.float64, requires_grad=True)
    sizes = [(2, 4), (2, 1)]
    assert torch.autograd.gradcheck(
        lambda *x: form(x[0], sizes, *x[1:]), (value, locations, weights)
    )


@pytest.mark.parametrize("numbers", [2, 4, 6])
def test_gradients_of_the_layer(numbers: int) -> None:
    """Of queries, references and memory, in float64."""
    torch.manual_seed(0)
    layer = tiny(num_points=1).double()
    shapes = ((1, 2, 8), (1, 2, 2, numbers), (1, 6, 8))
    query, references, memory = (torch.rand(shape, dtype=torch.float64) for shape in shapes)
    arguments = (query, references * 1.4 - 0.2, memory)
    assert torch.autograd.gradcheck(
        lambda *x: layer(*x, [(2, 2), (1, 2)]), [x.requires_grad_() for x in arguments]
    )


@torch.no_grad()
def test_places_that_are_not_numbers_are_seen() -> None:
    value, locations = torch.ones(1, CELLS, 2, 3), torch.full((1, 1, 2, 2, 3, 2), torch.nan)
    weights = torch.ones(1, 1, 2, 2, 3)
    for form in (sum_by_gather, sum_by_bags):
        assert form(value, SIZES, locations, weights).isnan().all()


@torch.no_grad()
def test_half_precision_of_all_parameters() -> None:
    layer, arguments = tiny(), inputs(4)
    found = layer.bfloat16()(*(x.bfloat16() for x in arguments), SIZES)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), tiny()(*arguments, SIZES), rtol=0.1, atol=0.1)


def inputs(numbers: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return (
        torch.randn(2, 5, 8, generator=generator),
        torch.rand(2, 5, 2, numbers, generator=generator),
        torch.randn(2, CELLS, 8, generator=generator),
    )


@torch.no_grad()
def test_a_box_around_its_middle_may_have_four_numbers_or_six() -> None:
    layer = tiny()
    query, boxes, memory = inputs(4)
    half = boxes[..., 2:].repeat_interleave(2, dim=-1) / 2
    sides = torch.cat([boxes[..., :2], half], dim=-1)
    found = layer(query, boxes, memory, SIZES)
    torch.testing.assert_close(layer(query, sides, memory, SIZES), found)
    # The point may move while the extent stays.
    moved = sides + torch.tensor([0, 0, 0.01, -0.01, 0.02, -0.02])
    torch.testing.assert_close(layer(query, moved, memory, SIZES), found)
    wider = sides + torch.tensor([0, 0, 0.1, 0, 0, 0])
    assert not torch.allclose(layer(query, wider, memory, SIZES), found, atol=1e-4)


@torch.no_grad()
def test_padding_is_as_a_value_of_zero() -> None:
    layer = tiny()
    query, points, memory = inputs(2)
    padding = torch.zeros(2, CELLS, dtype=torch.bool)
    padding[:, -6:] = True
    other = memory.clone()
    other[:, -6:] = 100
    found = layer(query, points, memory, SIZES, padding)
    torch.testing.assert_close(layer(query, points, other, SIZES, padding), found)
    assert not torch.allclose(layer(query, points, memory, SIZES), found, atol=1e-4)


@torch.no_grad()
def test_initial_values() -> None:
    """Head i looks in direction i; the largest coordinate of point j is j cells away."""
    layer = DeformableAttention(8, num_levels=2, num_heads=4, num_points=3)
    places = layer.offsets.bias.view(4, 2, 3, 2)
    right, down, left, up = places[:, 1, 2].round(decimals=5).tolist()
    assert (right, down, left, up) == ([3, 0], [0, 3], [-3, 0], [0, -3])
    assert torch.equal(places[:, 0], places[:, 1])
    assert torch.equal(places[:, 0, 1], places[:, 0, 0] * 2)
    assert not layer.offsets.weight.any()
    assert not layer.weights.weight.any()
    assert layer.value.weight.abs().max() <= math.sqrt(6 / 16)


def test_every_parameter_has_a_gradient() -> None:
    layer = tiny()
    query, boxes, memory = inputs(6)
    layer(query, boxes.requires_grad_(), memory, SIZES).cos().sum().backward()
    assert [name for name, p in layer.named_parameters() if not p.grad.any()] == []
    assert boxes.grad.any()


@torch.no_grad()
def test_half_precision_by_autocast() -> None:
    layer = tiny()
    arguments = inputs(2)
    exact = layer(*arguments, SIZES)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = layer(*arguments, SIZES)
    torch.testing.assert_close(found.float(), exact, rtol=0.1, atol=0.05)


class Whole(nn.Module):
    """Attends from every cell of two maps to both."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = tiny()

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        maps = (fine, coarse)
        memory = torch.cat([x.flatten(2).transpose(1, 2) for x in maps], dim=1)
        references = memory[..., None, :2].sigmoid().expand(-1, -1, 2, -1)
        sizes = [(x.shape[-2], x.shape[-1]) for x in maps]
        return self.attention(memory, references, memory, sizes)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("sampling", SAMPLINGS)
@torch.no_grad()
def test_onnx_of_opset_16_agrees_at_other_sizes(tmp_path: Path, sampling: Sampling) -> None:
    import onnx
    import onnxruntime

    model, path = Whole().eval(), tmp_path / "attention.onnx"
    axes = {0: "batch", 2: "height", 3: "width"}
    with sampling_by(sampling):
        torch.onnx.export(
            model,
            (torch.randn(2, 8, 4, 6), torch.randn(2, 8, 2, 3)),
            path,
            dynamo=False,
            opset_version=16,
            input_names=["fine", "coarse"],
            dynamic_axes={"fine": axes, "coarse": {0: "batch", 2: "low", 3: "narrow"}},
        )
    operators = {node.op_type for node in onnx.load(path).graph.node}
    assert ("GridSample" in operators) == (sampling == "grid")
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for batch, (height, width) in ((2, (4, 6)), (1, (6, 10))):
        fine = torch.randn(batch, 8, height, width)
        coarse = torch.randn(batch, 8, height // 2, width // 2)
        (found,) = session.run(None, {"fine": fine.numpy(), "coarse": coarse.numpy()})
        expected = model(fine, coarse)
        torch.testing.assert_close(torch.from_numpy(found), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_torch_export_agrees(sampling: Sampling) -> None:
    model = Whole().eval()
    maps = (torch.randn(2, 8, 4, 6), torch.randn(2, 8, 2, 3))
    with sampling_by(sampling):
        program = torch.export.export(model, maps)
    assert ("grid_sampler" in program.graph_module.code) == (sampling == "grid")
    torch.testing.assert_close(program.module()(*maps), model(*maps))


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"num_heads": 3}, ("dim=8", "num_heads=3")),
        ({"num_points": 0}, ("num_points=0", "from 1")),
    ],
)
def test_impossible_options(options: dict[str, Any], parts: tuple[str, ...]) -> None:
    with refuses(ConfigError, *parts):
        tiny(**options)


def test_a_reference_of_three_numbers() -> None:
    with refuses(ConfigError, "2, 4 or 6", "got 3"):
        tiny()(*inputs(3), SIZES)
