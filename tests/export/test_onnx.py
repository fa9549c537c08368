"""Every family and every task as ONNX, run by onnxruntime at sizes that it was not traced at."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_detection import SMALL, tiny_detector
from helpers.tiny_models import TINY
from helpers.tiny_segmentation import tiny_segmentor
from helpers.tiny_task import random_images, tiny_task
from helpers.weighed_graph import WeighedGraph

from vision import create_backbone
from vision.errors import ConfigError, MissingPackageError
from vision.export.backbone import BackboneGraph
from vision.export.graph import Graph
from vision.export.onnx import export_onnx, least_runtime, open_session, run_onnx
from vision.export.photographs import real_images
from vision.export.whole import whole_model

FAMILIES = [*TINY, "timm"]


def backbone_graph(family: str, outputs: str = "features") -> BackboneGraph:
    torch.manual_seed(0)
    name, options = ("timm/test_resnet", {}) if family == "timm" else TINY[family]
    return BackboneGraph(create_backbone(name, **options), outputs=outputs)  # type: ignore[arg-type]


def agree(path: Path, graph: Graph, pixels: torch.Tensor) -> None:
    inputs = graph.first.prepare(pixels)
    with torch.no_grad():
        expected = graph.named(graph(inputs))
    found = run_onnx(path, inputs)
    differences = graph.compare(found, expected, tolerance=1e-4)
    assert all(one.passed for one in differences), differences


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_takes_any_batch_and_size(family: str, tmp_path: Path) -> None:
    graph = backbone_graph(family)
    path = export_onnx(graph, torch.zeros(2, 3, 64, 64), tmp_path / "model.onnx")
    for batch, size in ((1, (64, 64)), (3, (75, 53))):
        agree(path, graph, real_images(size, batch))


# ConvNeXt is exported as a classifier, and HorNet's vector uses the same code.
@pytest.mark.parametrize("family", ["swin", "cswin", "cvt", "tnt", "rmt", "timm"])
def test_every_family_embeds(family: str, tmp_path: Path) -> None:
    graph = backbone_graph(family, "embedding")
    dynamic = [axis for axis in ("batch", "size") if axis not in graph.fixed]
    path = export_onnx(graph, torch.zeros(2, 3, 64, 64), tmp_path / "m.onnx", dynamic=dynamic)
    agree(path, graph, real_images((64, 64) if family == "swin" else (75, 53), 1))


def test_a_classifier_takes_any_batch_and_size(tmp_path: Path) -> None:
    graph = whole_model(tiny_task(), logits=True)
    example = torch.zeros(2, 3, 32, 32, dtype=torch.uint8)
    path = export_onnx(graph, example, tmp_path / "model.onnx")
    agree(path, graph, real_images((45, 61), 3))
    session = open_session(path)
    assert session.get_inputs()[0].shape == ["batch", 3, "height", "width"]
    assert session.get_inputs()[0].type == "tensor(uint8)"
    assert [one.shape for one in session.get_outputs()] == [["batch", 8]] * 2


@pytest.mark.parametrize("segmentor", ["upernet", "semantic_fpn", "segformer"])
def test_segmentation_takes_any_batch_and_size(segmentor: str, tmp_path: Path) -> None:
    graph = whole_model(tiny_segmentor(segmentor=segmentor))
    example = torch.zeros(2, 3, 64, 64, dtype=torch.uint8)
    path = export_onnx(graph, example, tmp_path / "model.onnx")
    agree(path, graph, real_images((96, 75), 1))


@pytest.mark.parametrize(
    "detector", ["retinanet", "fcos", "faster_rcnn", "mask_rcnn", "cascade_mask_rcnn"]
)
def test_every_detector_of_a_fixed_size(detector: str, tmp_path: Path) -> None:
    threshold = 0.0 if "rcnn" in detector else 0.005
    task = tiny_detector(detector=detector, head_options={"score_threshold": threshold})
    graph = whole_model(task)
    pixels = real_images((64, 64), 1)
    path = export_onnx(graph, torch.zeros_like(pixels), tmp_path / "model.onnx", dynamic=())
    assert int(run_onnx(path, pixels)["count"]) > 5
    agree(path, graph, pixels)


@pytest.mark.parametrize("encoder", ["deformable", "hybrid"])
def test_queries_take_any_batch(encoder: str, tmp_path: Path) -> None:
    options = {"feedforward": 12, "num_blocks": 1} if encoder == "hybrid" else {"num_layers": 1}
    design = {**SMALL["dino"]["design"], "decoder_depth": 1}
    head = {"encoder": encoder, "encoder_options": options, "num_levels": 3, "design": design}
    graph = whole_model(tiny_detector(detector="dino", head_options=head))
    example = torch.zeros(2, 3, 64, 96, dtype=torch.uint8)
    path = export_onnx(graph, example, tmp_path / "model.onnx", dynamic=("batch",))
    agree(path, graph, real_images((64, 96), 3))
    assert open_session(path).get_inputs()[0].shape == ["batch", 3, 64, 96]


def test_the_other_exporter(tmp_path: Path) -> None:
    backbone = create_backbone("convnext", dims=(8,), depths=(1,))
    graph = BackboneGraph(backbone, outputs="features")
    example = torch.zeros(2, 3, 64, 64)
    path = export_onnx(graph, example, tmp_path / "m.onnx", exporter="dynamo", dynamic=["batch"])
    agree(path, graph, real_images((64, 64), 1))


@pytest.mark.parametrize("exporter", ["torchscript", "dynamo"])
@torch.no_grad()
def test_inputs_beside_the_images_are_those_of_the_file(exporter: Any, tmp_path: Path) -> None:
    graph, path = WeighedGraph(), tmp_path / "m.onnx"
    export_onnx(graph, torch.zeros(2, 3, 16, 32), path, exporter=exporter)
    images, weights = random_images(3, side=24).float(), torch.tensor([[0.0, 1], [0, 2], [0, 3]])
    found = run_onnx(path, images, weights)["weighed"]
    torch.testing.assert_close(found, graph(images, weights)[0], atol=1e-4, rtol=1e-4)


def test_what_cannot_be_written_or_run_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph, example = backbone_graph("convnext"), torch.zeros(2, 3, 32, 32)
    with pytest.raises(ConfigError, match="'torchscript'"):
        export_onnx(graph, example, tmp_path / "m.onnx", exporter="torchscrip")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"16\.\.20"):
        export_onnx(graph, example, tmp_path / "m.onnx", opset=7)
    path = export_onnx(graph, example, tmp_path / "m.onnx", dynamic=())
    with refuses(ConfigError, "cannot run (1, 3, 40, 40)"):
        run_onnx(path, torch.zeros(1, 3, 40, 40))
    assert (least_runtime(18), least_runtime(18, "dynamo")) == ("1.14", "1.18")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingPackageError, match=r"\[export\]"):
        open_session(path)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingPackageError, match=r"\[export\]"):
        export_onnx(graph, example, path)
