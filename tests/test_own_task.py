"""A task and a dataset of one's own, unregistered, as a user has them: train.py, then tools."""

import importlib.util
import json
import shlex
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from helpers.height import Altitude, Height, Heights, HeightSamples
from helpers.tiny_predict import write_pictures
from helpers.train_runs import ROOT, run_here

import vision
from vision.cli.main import main
from vision.errors import CheckpointError, ConfigError
from vision.predict.demo import Demo

FIT = (
    *("--data", "helpers.height.Heights", "--data.batch_size", "4", "--data.num_workers", "0"),
    *("--model.backbone_options", "{dims: [8, 8, 8, 8], depths: [1, 1, 1, 1]}"),
    *("--trainer.max_epochs", "1", "--trainer.accelerator", "cpu"),
    *("--trainer.enable_progress_bar", "false"),
)
OWN = ("--task", "helpers.height:Height")
# Tools, and options for a task that has no part for them.
LACKING: dict[str, tuple[str, ...]] = {
    "predict": ("RUN", "photos", "--out", "found", *OWN),
    "demo": ("RUN", *OWN),
    "export": ("RUN", "--format", "onnx", *OWN),
    "quantize": ("RUN", *OWN),
    "evaluate": ("model", "RUN", "--config", "RUN/config.yaml"),
}


def tool(name: str) -> ModuleType:
    """A script of `tools`, imported."""
    spec = importlib.util.spec_from_file_location(f"own_{name}", ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with runs of both tasks, and the commands that each has printed."""
    folder = tmp_path_factory.mktemp("own")
    with pytest.MonkeyPatch.context() as patched:
        written: list[str] = []
        patched.setattr(sys.stdout, "write", lambda text: written.append(text) or len(text))
        for name in ("Height", "Altitude"):
            argv = ("fit", "--model", f"helpers.height.{name}", *FIT, "--name", name)
            assert run_here(folder, *argv) == 0
            (folder / f"{name}.txt").write_text("".join(written))
            written.clear()
    write_pictures(folder, ("photos/a.png", "photos/b.png"))
    return folder


def printed_commands(folder: Path, name: str) -> list[list[str]]:
    lines = (folder / f"{name}.txt").read_text().splitlines()
    return [shlex.split(line) for line in lines if ".py " in line and line.startswith("  ")]


def run_command(folder: Path, words: list[str]) -> int:
    """Run a printed command in this process."""
    _, script, *argv = ["photos" if word == "FOLDER" else word for word in words]
    if Path(script).name == "train.py":
        return run_here(folder, *argv)
    with pytest.MonkeyPatch.context() as context:
        context.chdir(folder)
        return tool(Path(script).stem).main(argv)


def test_the_commands_that_a_run_prints_work(fitted: Path) -> None:
    commands = printed_commands(fitted, "Height")
    assert [Path(words[1]).name for words in commands] == ["export.py", "train.py", "train.py"]
    small = ["--model.backbone_options", "{dim: 8, depths: [1, 1], num_heads: [1, 1]}"]
    for words in commands:
        assert run_command(fitted, [*words, *(small if "fit" in words else [])]) == 0, words


def test_a_column_adds_its_command(fitted: Path) -> None:
    commands = printed_commands(fitted, "Altitude")
    assert len(commands) == 4
    (words,) = [words for words in commands if words[1].endswith("predict.py")]
    assert run_command(fitted, words) == 0
    (found,) = (fitted / "runs/Altitude/version_0/predicted").glob("predictions.jsonl")
    lines = [json.loads(line) for line in found.read_text().splitlines()]
    # The task has no files of images: the run has written some of its validation images.
    samples = sorted(path.name for path in (fitted / "runs/Altitude/version_0/samples").iterdir())
    assert [Path(line["path"]).name for line in lines] == samples
    assert len(samples) == 4
    assert all(isinstance(line["height"], float) for line in lines)


def test_validate_test_and_predict(fitted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = fitted / "runs/Height/version_0"
    model = vision.load(run, task=Height)
    data = Heights(batch_size=6, num_workers=0)
    data.setup("predict")
    images = torch.stack([data.val_dataset[i]["image"] for i in range(6)])
    true = torch.stack([data.val_dataset[i]["height"] for i in range(6)])
    heights = model(images)
    for command in ("validate", "test", "predict"):
        options = ("--config", str(run / "config.yaml"), "--ckpt_path", "best", "--name", "Height")
        assert run_here(fitted, command, *options) == 0
        if command != "predict":
            loss = f"{float(torch.nn.functional.mse_loss(heights, true)):.4f}"
            assert loss[:5] in capsys.readouterr().out
    lines = [json.loads(s) for s in (run / "predictions/predictions.jsonl").open()]
    assert [line["path"] for line in lines] == HeightSamples(100, 6, with_path=True).paths
    torch.testing.assert_close(torch.tensor([line["height"] for line in lines]), heights)
    maps = np.stack([np.load(run / "predictions" / line["map"]) for line in lines])
    expected = model.task.normalize(images).mean(dim=1)
    torch.testing.assert_close(torch.from_numpy(maps), expected)


def test_a_file_names_no_class_that_is_imported(fitted: Path) -> None:
    run = fitted / "runs/Height/version_0"
    for path in (run / "checkpoints/best.ckpt", run / "weights/best.safetensors"):
        with pytest.raises(CheckpointError, match=r"'Height'.*--task package.module:Class"):
            vision.load(path)
        assert isinstance(vision.load(path, task=Height).task, Height)


@pytest.mark.parametrize("name", LACKING)
def test_what_it_lacks_is_said_in_a_line(
    fitted: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = str(fitted / "runs/Height/version_0")
    with pytest.MonkeyPatch.context() as context:
        context.chdir(fitted)
        assert tool(name).main([word.replace("RUN", run) for word in LACKING[name]]) == 2
    error = capsys.readouterr().err
    assert "for 'height'" in error
    assert "class attribute" in error
    assert len(error.strip().splitlines()) == 1


def test_it_is_published_with_its_class_named(fitted: Path, tmp_path: Path) -> None:
    run = str(fitted / "runs/Height/version_0")
    assert tool("publish").main(["hub", run, "--out", str(tmp_path / "hub"), *OWN]) == 0
    card = (tmp_path / "hub/README.md").read_text()
    assert "task=Height" in card
    assert "- height" in card
    assert vision.load(tmp_path / "hub", task=Height).kind == "height"


def test_results_have_no_coco_and_no_tiles(fitted: Path) -> None:
    model = vision.load(fitted / "runs/Altitude/version_0", task=Altitude)
    assert model.class_names == ()
    image = np.zeros((40, 50, 3), np.uint8)
    result: Any = model.predict_image(image)
    with pytest.raises(ConfigError, match="COCO's format has no place for a HeightResult"):
        result.to_coco()
    with pytest.raises(ConfigError, match=r"tile=16 .* Altitude"):
        model.predict_image(image, tile=16)


def test_a_class_that_is_typed_must_be_a_task(
    fitted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = str(fitted / "runs/Height/version_0")
    for typed, says in (
        ("helpers.height:Heights", "not a task"),
        ("helpers.height:Hight", "cannot be imported"),
        ("Height", "package.module:Class"),
    ):
        assert tool("export").main([run, "--format", "onnx", "--task", typed]) == 2
        assert says in capsys.readouterr().err


MINE = """
from helpers.height import Altitude, Heights, HeightView

class Mine(Altitude):
    demo_view = HeightView

class MyHeights(Heights):
    pass
"""


def test_code_of_the_current_folder_works_with_the_installed_command(
    fitted: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    paths = [*sys.path]
    fit = ["--data", "mine.MyHeights", "--model", "mine.Mine", *FIT[2:], "--name", "mine"]
    assert main(["fit", *fit]) == 0
    own = ["runs/mine/version_0", "--task", "mine:Mine"]
    shown = capsys.readouterr().out
    assert "--task mine:Mine" in shown
    assert main(["predict", *own, str(fitted / "photos"), "--out", "found"]) == 0
    assert len((tmp_path / "found/predictions.jsonl").read_text().splitlines()) == 2
    pages: list[Any] = []
    monkeypatch.setattr("vision.predict.demo.launch_demo", lambda page, **_: pages.append(page))
    monkeypatch.setattr("gradio.Blocks.block_thread", lambda page: None)
    assert main(["demo", *own]) == 0
    assert len(pages) == 1
    assert sys.path == paths


def test_its_view_shows_it_on_the_page(fitted: Path) -> None:
    with pytest.MonkeyPatch.context() as context:
        context.setattr(Altitude, "demo_view", "helpers.height:HeightView", raising=False)
        demo = Demo(vision.load(fitted / "runs/Altitude/version_0", task=Altitude))
    result, (_, summary, rows, plain, _) = demo.predict(str(fitted / "photos/a.png"), 0.5)
    assert rows == [["height", result.height]]
    assert summary == f'<div class="found"><h3>{result.height:.3f}</h3></div>'
    assert plain["path"] == "a.png"
