"""The commands at the end of a run."""

import importlib.util
import shlex
import sys
from pathlib import Path

import pytest

from vision.cli.next_commands import next_commands
from vision.data import Digits
from vision.tasks import Classification, Detection3D, VolumeSegmentation

ROOT = Path(__file__).parents[2]
CLASSES = {"model": Classification, "data": Digits}


@pytest.fixture(autouse=True)
def _called_in_a_clone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [str(ROOT / "train.py"), "fit"])


def commands(folder: Path) -> list[list[str]]:
    found = next_commands(folder, name="run", backbone="convnext", classes=CLASSES)
    return [shlex.split(command) for _, command in found]


def make(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_what_is_named_is_there(tmp_path: Path) -> None:
    folder = make(
        tmp_path / "a run", "config.yaml", "checkpoints/best.ckpt", "weights/best.safetensors"
    )
    found = commands(folder)
    programs = [Path(words[1]).resolve().relative_to(ROOT).as_posix() for words in found]
    assert programs == [
        "tools/evaluate.py",
        "tools/predict.py",
        "tools/export.py",
        *["train.py"] * 3,
    ]
    for words in found:
        assert Path(words[1]).is_file()
        for word in words[2:]:
            # What is below the folder is there, but for what a command is to make.
            if str(folder) in word and words[words.index(word) - 1] != "--out":
                assert Path(word).exists(), word


def test_the_pictures_to_predict_are_named(tmp_path: Path) -> None:
    folder = make(tmp_path, "config.yaml", "weights/best.safetensors", "samples/1.png")
    options = {"name": "run", "backbone": "convnext", "classes": CLASSES}
    found = next_commands(folder, **options, pictures=folder / "samples")
    (words,) = [words for words in (shlex.split(c) for _, c in found) if "--out" in words]
    assert str(folder / "samples") in words


def test_without_a_file_of_weights_the_checkpoint_is_named(tmp_path: Path) -> None:
    folder = make(tmp_path, "config.yaml", "checkpoints/best.ckpt")
    for words in commands(folder)[1:3]:
        assert words[2] == str(folder / "checkpoints/best.ckpt")


def test_a_run_that_was_not_validated_names_its_last_weights(tmp_path: Path) -> None:
    folder = make(tmp_path, "config.yaml", "checkpoints/last.ckpt", "weights/last.safetensors")
    found = commands(folder)
    assert [words[2] for words in found[1:3]] == [str(folder / "weights/last.safetensors")] * 2
    assert "validate" not in [words[2] for words in found]


def test_without_either_only_what_can_be_run_is_shown(tmp_path: Path) -> None:
    folder = make(tmp_path, "config.yaml")
    assert [words[2] for words in commands(folder)] == ["fit", "fit"]


@pytest.mark.parametrize("tool", ["evaluate", "predict", "export"])
def test_the_tools_know_the_options(
    tool: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make(tmp_path, "config.yaml", "weights/best.safetensors")
    (words,) = [words for words in commands(folder) if words[1].endswith(f"{tool}.py")]
    spec = importlib.util.spec_from_file_location(f"tool_{tool}", words[1])
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(sys, "argv", words[1:])
    # With --help at the end: options that are not known would be refused before.
    argv = [*words[2:], "--help"]
    assert module.main(argv) == 0
    options = {word for word in words if word.startswith("--")}
    help_text = capsys.readouterr().out
    assert all(option in help_text for option in options)


def test_a_model_that_needs_a_camera_is_predicted_with_one(tmp_path: Path) -> None:
    folder = make(tmp_path, "config.yaml", "weights/best.safetensors")
    options = {"name": "run", "backbone": "convnext"}
    found = next_commands(folder, **options, classes={"model": Detection3D, "data": Digits})
    (words,) = [words for words in (shlex.split(c) for _, c in found) if "--out" in words]
    assert words[-2:] == ["--camera", "FILE"]
    assert "--camera" not in [word for words in commands(folder) for word in words]


def test_the_console_command_names_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vision = tmp_path / "bin" / "vision"
    monkeypatch.setattr(sys, "argv", [str(vision), "fit"])
    folder = make(
        tmp_path / "run", "config.yaml", "checkpoints/best.ckpt", "weights/best.safetensors"
    )
    found = commands(folder)
    assert {words[0] for words in found} == {str(vision)}
    names = ["evaluate", "predict", "export", "validate", "fit", "fit"]
    assert [words[1] for words in found] == names
    assert ".py" not in " ".join(word for words in found for word in words)


@pytest.mark.parametrize("backbone", ["swin_volume_24", "swin_volume_48"])
def test_a_run_on_volumes_names_another_encoder_of_volumes(tmp_path: Path, backbone: str) -> None:
    folder = make(tmp_path, "config.yaml")
    classes = {"model": VolumeSegmentation, "data": Digits}
    found = dict(next_commands(folder, name="run", backbone=backbone, classes=classes))
    words = shlex.split(found["the same data with another backbone"])
    other = words[words.index("--model.backbone") + 1]
    assert {backbone, other} == {"swin_volume_24", "swin_volume_48"}
