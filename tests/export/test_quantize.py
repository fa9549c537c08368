"""Int8 models by calibration: a classifier trained on the digits keeps its accuracy."""

import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.refusals import refuses
from helpers.weighed_graph import WeighedGraph
from torch import Tensor, nn
from torch.nn import functional as F

from vision.data.formats.digits import load_digits, split_digits
from vision.errors import ConfigError, MissingPackageError
from vision.export.onnx import export_onnx, run_onnx
from vision.export.quantize import QuantizeOptions, count_int8, quantize_onnx
from vision.export.whole import whole_model
from vision.tasks.classification import Classification

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
SIDE = 32
FAMILIES: dict[str, dict[str, Any]] = {
    "convnext": {"dims": (16, 32, 48, 64), "depths": (1, 1, 1, 1)},
    "swin": {"dim": 32, "depths": (1, 1), "num_heads": (1, 2), "window_size": 4},
}
# Chance is 0.1.
LEAST_TOP1 = {"conv": 0.8, "swin": 0.3}


def trained(family: str) -> Classification:
    """A classifier after some seconds on the digits."""
    torch.manual_seed(0)
    model = Classification(family, 10, backbone_options=FAMILIES[family])
    images, labels = digits("train")
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3 if family == "convnext" else 8e-3)
    for i in range(40):
        rows = torch.arange(i * 64, i * 64 + 64) % len(images)
        loss = F.cross_entropy(model(images[rows]), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


def digits(split: str) -> tuple[Tensor, Tensor]:
    images, labels = load_digits(SIDE)
    train, held_out = split_digits(labels)
    rows = train if split == "train" else held_out
    return images[rows, None].expand(-1, 3, -1, -1), labels[rows]


def write_onnx(model: nn.Module, path: Path) -> Path:
    """The scores of uint8 images, of any number."""
    if isinstance(model, Classification):
        graph = whole_model(model)
        example = torch.zeros(2, 3, SIDE, SIDE, dtype=torch.uint8)
        return export_onnx(graph, example, path, dynamic=("batch",))
    names = {"input_names": ["images"], "output_names": ["scores"]}
    example = torch.zeros(4, 3, SIDE, SIDE, dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(model, (example,), path, dynamo=False, opset_version=18, **names)
    return path


def calibration(count: int = 24, batch: int = 4) -> Iterator[tuple[Tensor]]:
    yield from ((images,) for images in digits("train")[0][:count].split(batch))


def test_a_file_is_calibrated_with_all_of_its_inputs(tmp_path: Path) -> None:
    graph = WeighedGraph()
    path = export_onnx(graph, torch.zeros(2, 3, SIDE, SIDE), tmp_path / "float.onnx")
    images, weights = digits("train")[0][:4].float(), torch.tensor([[0.0, 2.0]] * 4)
    made = quantize_onnx(path, tmp_path / "int8.onnx", [(images, weights)])
    assert (made.images, made.quantized) == (4, 1)
    # The range of the values that are weighed is known.
    found = run_onnx(made.path, images, weights)["weighed"]
    (expected,) = graph(images, weights)
    assert (found - expected).abs().max() < 0.05 * expected.abs().max()


def run(path: Path, images: Tensor) -> np.ndarray:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {"images": images.numpy()})[0]


def top1(path: Path) -> float:
    images, labels = digits("val")
    return float((run(path, images).argmax(1) == labels.numpy()).mean())


@pytest.fixture(scope="module", params=FAMILIES)
def models(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a trained convnet's and a transformer's float and int8 models."""
    folder = tmp_path_factory.mktemp(request.param)
    write_onnx(trained(request.param), folder / "float.onnx")
    made = quantize_onnx(folder / "float.onnx", folder / "new" / "int8.onnx", calibration())
    assert made.images == 24
    assert made.quantized == made.candidates == count_int8(made.path)
    return folder


def test_accuracy_is_kept(models: Path) -> None:
    before, after = top1(models / "float.onnx"), top1(models / "new" / "int8.onnx")
    assert before > LEAST_TOP1[models.name[:4]]
    assert abs(before - after) < 0.03
    # It is another model all the same.
    images = digits("val")[0][:8]
    apart = np.abs(run(models / "float.onnx", images) - run(models / "new" / "int8.onnx", images))
    assert 1e-6 < apart.max() < 0.3


def test_weights_are_int8_per_channel_and_attention_is_float(models: Path) -> None:
    graph = onnx.load(models / "new" / "int8.onnx").graph
    tensors = {one.name: one for one in graph.initializer}
    producers = {name: node for node in graph.node for name in node.output}
    weights = 0
    for node in graph.node:
        if node.op_type not in ("Conv", "MatMul", "Gemm"):
            continue
        sources = [producers.get(name) for name in node.input[:2]]
        kinds = [source.op_type if source is not None else None for source in sources]
        if kinds[1] != "DequantizeLinear":  # both operands are activations
            assert "DequantizeLinear" not in kinds
            continue
        values, scales = (tensors[name] for name in sources[1].input[:2])
        assert values.data_type == onnx.TensorProto.INT8
        axis = next(one.i for one in sources[1].attribute if one.name == "axis")
        assert list(scales.dims) == [values.dims[axis]]
        weights += 1
    assert weights == count_int8(models / "new" / "int8.onnx") > 4
    size = {path.name: path.stat().st_size for path in models.rglob("*.onnx")}
    assert size["int8.onnx"] < 0.75 * size["float.onnx"]
    assert sorted(path.name for path in (models / "new").iterdir()) == ["int8.onnx"]


class Products(nn.Module):
    """A convolution, a product with weights and one of activations."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(3, 8, 4, stride=4)
        self.linear = nn.Linear(8, 10)

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images.float() / 255).flatten(2).transpose(1, 2)
        return self.linear(x.softmax(dim=1) @ (x.transpose(1, 2) @ x)).mean(dim=1)


def test_choice_of_nodes(tmp_path: Path) -> None:
    path = write_onnx(Products(), tmp_path / "float.onnx")
    for options, count in (
        (QuantizeOptions(), 2),
        (QuantizeOptions(operators=("Conv",)), 1),
        (QuantizeOptions(keep_float=("/stem/",)), 1),
        (QuantizeOptions(calibration="percentile", reduce_range=False), 2),
    ):
        made = quantize_onnx(path, tmp_path / "int8.onnx", calibration(), options=options)
        assert made.quantized == count
        images = digits("val")[0][:4]
        np.testing.assert_allclose(run(path, images), run(made.path, images), atol=0.05)
        # Weights have 7 bits by default: with 8 bits sums overflow on some processors.
        weights = [
            np.abs(onnx.numpy_helper.to_array(one).astype(int)).max()
            for one in onnx.load(made.path).graph.initializer
            if one.data_type == onnx.TensorProto.INT8 and len(one.dims) > 1
        ]
        assert len(weights) == count
        assert all(60 <= one <= 64 if options.reduce_range else one >= 120 for one in weights)


def test_mistakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_onnx(Products(), tmp_path / "float.onnx")
    target = tmp_path / "int8.onnx"
    with refuses(ConfigError, "calibration", "images"):
        quantize_onnx(path, target, [])
    everything = QuantizeOptions(keep_float=("",))
    with refuses(ConfigError, "quantise", "2", "types"):
        quantize_onnx(path, target, calibration(), options=everything)
    with refuses(ConfigError, "overwrite", "float", "model"):
        quantize_onnx(path, path, calibration())
    assert [one.name for one in tmp_path.iterdir()] == ["float.onnx"]
    with refuses(ConfigError, "calibration", "'mean'"):
        QuantizeOptions(calibration="mean")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="expected some of"):
        QuantizeOptions(operators=("Softmax",))
    with refuses(ConfigError, "regular", "expression"):
        QuantizeOptions(keep_float=("(",))
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingPackageError, match=r"\[export\]"):
        quantize_onnx(path, target, calibration())
