import json
import shutil
from pathlib import Path

import pytest
import torch
from helpers.tiny_task import random_images, tiny_task

import vision
from vision.cli.commands import export as tool
from vision.weights.model_file import write_model


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    task = tiny_task()
    path = tmp_path_factory.mktemp("model") / "best.safetensors"
    return write_model(path, task.state_dict(), task.describe())


def test_a_model_is_exported_and_its_differences_printed(
    model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "model.onnx"
    command = [str(model_file), "--format", "onnx", "--size", "32", "32", "--out", str(out)]
    assert tool.main(command) == 0
    printed = capsys.readouterr().out
    assert str(out) in printed
    assert "scores" in printed
    assert "dynamic   batch, size" in printed
    assert json.loads(Path(f"{out}.json").read_text())["kind"] == "classification"
    assert tool.main([*command, "--precision", "float16", "--tolerance", "1e-9"]) == 1
    assert "TOO LARGE" in capsys.readouterr().out


def test_the_backbone_of_a_model_alone(model_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "backbone.safetensors"
    command = [str(model_file), "--backbone", "--format", "safetensors", "--size", "32", "32"]
    assert tool.main([*command, "--out", str(out)]) == 0
    backbone = vision.load(model_file).task.backbone
    images = random_images(1).float()
    expected = backbone.embed(images)
    with torch.no_grad():
        for parameter in backbone.parameters():
            parameter.zero_()
    vision.load_weights(backbone, out)
    torch.testing.assert_close(backbone.embed(images), expected)


def test_a_backbone_by_name(tmp_path: Path) -> None:
    out = tmp_path / "resnet.onnx"
    command = ["timm/test_resnet", "--format", "onnx", "--outputs", "embedding"]
    assert (
        tool.main([*command, "--include-normalisation", "--size", "64", "64", "--out", str(out)])
        == 0
    )
    facts = json.loads(Path(f"{out}.json").read_text())
    assert facts["inputs"][0]["dtype"] == "uint8"
    assert facts["normalisation"]["included"]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["swin_tinny", "--format", "onnx"], "'swin_tiny'"),
        (["absent.ckpt", "--format", "onnx"], "absent.ckpt"),
        (["timm/test_resnet", "--format", "onxx"], "'onnx'"),
    ],
)
def test_mistakes_end_with_two_and_a_suggestion(
    capsys: pytest.CaptureFixture[str], command: list[str], message: str
) -> None:
    assert tool.main(command) == 2
    assert message in capsys.readouterr().err


def test_without_a_name_the_file_lies_beside_the_model(
    model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "runs/cats/version_0"
    (run / "weights").mkdir(parents=True)
    (run / "config.yaml").touch()
    shutil.copy(model_file, run / "weights/best.safetensors")
    command = [str(run), "--format", "safetensors", "--backbone", "--size", "32", "32"]
    assert tool.main(command) == 0
    out = run / "weights/cats_version_0_best_backbone.safetensors"
    assert out.is_file()
    assert "was there before" not in capsys.readouterr().out
    assert tool.main([str(model_file), *command[1:], "--out", str(out)]) == 0
    assert "of another model, " in capsys.readouterr().out
