"""`vision embed`: a file of features, of a model and of a backbone, and their neighbours."""

from pathlib import Path

import pytest
from helpers.tiny_predict import tiny_model, write_pictures

import vision
from vision.cli.commands import embed as tool
from vision.predict.embed_job import read_features
from vision.weights.model_file import write_model

FILES = ("cat/a.png", "cat/b.png", "dog/a.png", "dog/c.png")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_pictures(tmp_path / "images", FILES)
    return tmp_path


def test_features_of_a_trained_model(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tiny_model("classification")
    write_model(folder / "model.safetensors", model.task.state_dict(), model.description)
    command = ["model.safetensors", "images", "--out", "features.npz", "--workers", "0"]
    assert tool.main(command) == 0
    features, paths = read_features(folder / "features.npz")
    assert (features.shape, paths) == ((4, 128), list(FILES))
    out = capsys.readouterr().out
    assert "4 images, 128 features each" in out
    assert tool.main([*command, "--knn", "features.npz", "--k", "1"]) == 0
    assert "top-1 100.00%" in capsys.readouterr().out


def test_images_that_cannot_be_read_are_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tiny_model("classification")
    monkeypatch.setattr(vision, "load_backbone", lambda name, device: model, raising=False)
    (folder / "images/cat/a.png").write_bytes(b"no image")
    assert tool.main(["swin_tiny", "images", "--out", "x.npz", "--workers", "0"]) == 1
    assert "cat/a.png" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["swin_tinny", "images", "--out", "x.npz"], ("swin_tinny", "'swin_tiny'")),
        (["swin_tiny", "images", "--out", "images"], ("--out", "images")),
        (["swin_tiny", "images"], ("--out",)),
        (["resnet50", "images", "--out", "x.npz"], ("'resnet50'", "'timm/resnet50'")),
        (["swin_tiny", "images", "--out", "x.npz", "--knn", "y.npz"], ("y.npz", "features")),
        (["swin_tiny", "images", "--out", "x.npz", "--k", "0"], ("--k", "'0'")),
    ],
)
def test_mistakes_are_named(
    folder: Path, command: list[str], said: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert tool.main(command) == 2
    message = capsys.readouterr().err
    assert len(message.splitlines()) <= 8
    for part in said:
        assert part in message
