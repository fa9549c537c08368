"""Where exports go by default, and whose files they replace."""

import json
from pathlib import Path

import pytest

from vision.cli.export_files import default_export_file, recorded_source, replaced_export


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a run with its files, in the current folder."""
    monkeypatch.chdir(tmp_path)
    folder = Path("runs/digits/version_3")
    for name in ("config.yaml", "checkpoints/best.ckpt", "weights/last.safetensors"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_models_of_a_run_go_to_its_weights(run: Path) -> None:
    best = run / "weights/digits_version_3_best.onnx"
    assert default_export_file(str(run), ".onnx", backbone=False) == best
    assert default_export_file(str(run / "checkpoints/best.ckpt"), ".onnx", backbone=False) == best
    last = run / "weights/digits_version_3_last_backbone.pt2"
    given = str(run / "weights/last.safetensors")
    assert default_export_file(given, ".pt2", backbone=True) == last


def test_other_files_are_exported_beside_themselves_and_names_here(run: Path) -> None:
    Path("models").mkdir()
    Path("models/cat.safetensors").touch()
    found = default_export_file("models/cat.safetensors", ".onnx", backbone=False)
    assert found == Path("models/cat.onnx")
    found = default_export_file("models/cat.safetensors", ".safetensors", backbone=False)
    assert found == Path("models/cat_exported.safetensors")
    assert default_export_file("timm/resnet50", ".onnx", backbone=False) == Path("resnet50.onnx")


def test_what_is_replaced_is_said(run: Path) -> None:
    out = Path("a.onnx")
    assert replaced_export(out, "x.ckpt") == []
    out.touch()
    assert "of an unknown model: it is replaced" in " ".join(replaced_export(out, "x.ckpt"))
    Path("a.onnx.json").write_text(json.dumps({"source": "y.ckpt"}))
    assert "of another model, y.ckpt: it is replaced" in " ".join(replaced_export(out, "x.ckpt"))
    assert "of the same model" in " ".join(replaced_export(out, "y.ckpt"))


def test_a_file_is_recorded_by_its_relative_path(run: Path) -> None:
    assert recorded_source(str(run.absolute())) == "runs/digits/version_3"
    assert recorded_source("swin_tiny") == "swin_tiny"
