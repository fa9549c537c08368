import json
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_detection import tiny_detector
from helpers.tiny_models import TINY
from helpers.tiny_task import tiny_task

import vision.export.run as run_module
from vision import create_backbone
from vision.errors import ConfigError
from vision.export.backbone import BackboneGraph
from vision.export.run import SUFFIXES, Exported, ExportOptions, choose_dynamic, export
from vision.export.whole import whole_model


def export_task(path: Path, **options: Any) -> Exported:
    task = tiny_task(class_names=list("abcdefgh"))
    about = cast(dict[str, Any], task.describe())
    return export(whole_model(task), task, about, path, ExportOptions(size=(32, 32), **options))


def test_the_file_beside_says_all(tmp_path: Path) -> None:
    result = export_task(tmp_path / "m.onnx", format="onnx", licence="CC-BY-4.0")
    assert result.passed
    assert result.dynamic == ("batch", "size")
    assert not result.notes
    facts = json.loads(result.sidecar.read_text())
    assert facts["classes"] == list("abcdefgh")
    assert facts["inputs"][0]["shape"] == ["batch", 3, "height", "width"]
    assert facts["least_runtime"] == "onnxruntime 1.14"
    assert facts["opset"] == 18
    assert facts["licence"] == {"weights": "CC-BY-4.0", "code": "Apache-2.0"}
    assert facts["verification"]["passed"]
    assert len(facts["verification"]["cases"]) == 6
    assert facts["versions"]["torch"]
    assert len(facts["sha256"]) == 64


@pytest.mark.parametrize("form", ["onnx", "safetensors"])
def test_half_precision_agrees_within_a_looser_tolerance(form: str, tmp_path: Path) -> None:
    whole = export_task(tmp_path / "whole", format=form)
    half = export_task(tmp_path / "half", format=form, precision="float16")
    assert half.passed
    assert half.path.stat().st_size < 0.7 * whole.path.stat().st_size
    strict = export_task(tmp_path / "h", format=form, precision="float16", tolerance=1e-7)
    assert not strict.passed


@pytest.mark.parametrize("form", ["torch-export", "safetensors"])
def test_bfloat16(form: str, tmp_path: Path) -> None:
    path = tmp_path / f"m{SUFFIXES[form]}"
    assert export_task(path, format=form, precision="bfloat16", dynamic=()).passed


def test_bfloat16_says_what_onnxruntime_lacks(tmp_path: Path) -> None:
    with refuses(ConfigError, "kernels", "bfloat16"):
        export_task(tmp_path / "m.onnx", format="onnx", precision="bfloat16", dynamic=())


def test_a_broken_export_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = run_module.export_onnx

    def broken(graph: Any, *args: Any, **options: Any) -> Path:
        with torch.no_grad():
            graph.head.fc.bias[0] += 0.1
            path = write(graph, *args, **options)
            graph.head.fc.bias[0] -= 0.1
        return path

    monkeypatch.setattr(run_module, "export_onnx", broken)
    result = export_task(tmp_path / "m.onnx", format="onnx")
    assert not result.passed
    assert not json.loads(result.sidecar.read_text())["verification"]["passed"]


def test_what_cannot_be_traced_for_all_sizes_is_fixed_with_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = run_module.export_onnx

    def fails(*args: Any, dynamic: Any, **options: Any) -> Path:
        if dynamic:
            raise ConfigError("a size is a constant")
        return write(*args, dynamic=dynamic, **options)

    monkeypatch.setattr(run_module, "export_onnx", fails)
    result = export_task(tmp_path / "m.onnx", format="onnx")
    assert result.passed
    assert result.dynamic == ()
    assert [note.split()[0] for note in result.notes] == ["size", "batch"]
    assert "a size is a constant" in result.notes[0]
    with refuses(ConfigError, "size", "constant"):
        export_task(tmp_path / "m.onnx", format="onnx", dynamic=("batch",))


def test_what_a_model_does_not_allow_is_refused_with_the_reason() -> None:
    name, options = TINY["swin"]
    graph = BackboneGraph(create_backbone(name, **options), outputs="embedding")
    dynamic, notes = choose_dynamic(graph, ExportOptions("onnx"))
    assert dynamic == ("batch",)
    assert "windows" in notes[0]
    with pytest.raises(ConfigError, match="windows"):
        choose_dynamic(graph, ExportOptions("onnx", dynamic=("size",)))
    detector = whole_model(tiny_detector(detector="fcos"))
    assert choose_dynamic(detector, ExportOptions("onnx"))[0] == ()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "onxx"}, "'onnx'"),
        ({"format": "onnx", "precision": "float61"}, "'float16'"),
        ({"format": "onnx", "dynamic": ("bach",)}, "'batch'"),
        ({"format": "onnx", "batch": 0}, "1 or more"),
        ({"format": "onnx", "sampling": "gathr"}, "'gather'"),
        ({"format": "safetensors", "sampling": "gather"}, "torch-export"),
    ],
)
def test_wrong_options_name_what_is_accepted(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ExportOptions(**options)
