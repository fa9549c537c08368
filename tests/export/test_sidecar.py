import json
from pathlib import Path

from helpers.tiny_segmentation import tiny_segmentor

from vision.export.compare import Difference
from vision.export.sidecar import file_facts, shape_facts, verification_facts, write_sidecar
from vision.export.verify import Case
from vision.export.whole import whole_model


def test_a_file_is_known_by_its_digest(tmp_path: Path) -> None:
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert file_facts(path) == {"file": "abc", "bytes": 3, "sha256": digest}


def test_open_axes_have_names_and_fixed_ones_numbers() -> None:
    graph = whole_model(tiny_segmentor())
    facts = shape_facts(graph, batch=2, size=(64, 96), dynamic=("size",))
    assert facts["inputs"][0]["shape"] == [2, 3, "height", "width"]
    assert facts["outputs"] == [{"name": "labels", "shape": [2, "height", "width"]}]
    facts = shape_facts(graph, batch=2, size=(64, 96), dynamic=("batch",))
    assert facts["outputs"][0]["shape"] == ["batch", 64, 96]
    assert facts["normalisation"]["included"]
    assert facts["inputs"][0]["values"] == "pixels 0..255"


def test_infinite_differences_are_valid_json(tmp_path: Path) -> None:
    case = Case("real", 1, (8, 8), [Difference("x", float("inf"), float("nan"), 0.1)])
    path = write_sidecar(tmp_path / "m.onnx", verification_facts([case], 0.1))
    assert path.name == "m.onnx.json"
    found = json.loads(path.read_text())
    assert found["passed"] is False
    assert found["cases"][0]["differences"][0]["absolute"] == "inf"
