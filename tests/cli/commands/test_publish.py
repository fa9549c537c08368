"""The command that hands models over."""

from pathlib import Path

import pytest
import torch
from helpers.tiny_segmentation import tiny_segmentor
from helpers.tiny_task import quiet_trainer, tiny_task
from torch import Tensor

import vision
from vision.cli.commands import publish
from vision.weights.model_file import write_model
from vision.weights.names.write import to_naming
from vision.weights.read import read_class_names, read_state_dict


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run, with a checkpoint and a config."""
    folder = tmp_path_factory.mktemp("run")
    trainer = quiet_trainer(folder)
    trainer.strategy.connect(tiny_task())
    trainer.save_checkpoint(folder / "checkpoints" / "best.ckpt", weights_only=True)
    (folder / "config.yaml").write_text("name: tiny\n")
    return folder


def same(actual: dict[str, Tensor], expected: dict[str, Tensor]) -> bool:
    return actual.keys() == expected.keys() and all(
        torch.equal(actual[key], expected[key]) for key in expected
    )


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_keys_of_timm(
    run_folder: Path, suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / f"timm{suffix}"
    assert publish.main(["keys", str(run_folder), "--naming", "timm", "--out", str(out)]) == 0
    assert same(read_state_dict(out), to_naming(vision.load(run_folder).task, "timm"))
    assert "under the names of timm" in capsys.readouterr().out
    assert [path.name for path in out.parent.iterdir()] == [out.name]


def test_keys_of_mmseg_with_the_classes(tmp_path: Path) -> None:
    task = tiny_segmentor("swin", class_names=["a", "b", "c", "d"])
    write_model(tmp_path / "model.safetensors", task.state_dict(), task.describe())
    source, out = str(tmp_path / "model.safetensors"), tmp_path / "mmseg.pth"
    assert publish.main(["keys", source, "--naming", "mmseg", "--out", str(out)]) == 0
    assert read_class_names(out) == ["a", "b", "c", "d"]
    assert "decode_head.conv_seg.weight" in read_state_dict(out)


@pytest.mark.parametrize(
    ("naming", "out", "message"),
    [
        ("timm", "model.onnx", "expected a name in .safetensors or .pth"),
        ("mmdet", "model.pth", "mmdet names whole models: give a detector"),
    ],
)
def test_mistakes_have_the_exit_status_two(
    run_folder: Path,
    naming: str,
    out: str,
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["keys", str(run_folder), "--naming", naming, "--out", str(tmp_path / out)]
    assert publish.main(arguments) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_hub_takes_the_config_of_the_run(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[Path, str, bool]] = []

    def push(folder: Path, repo: str, *, private: bool) -> None:
        sent.append((folder, repo, private))

    monkeypatch.setattr("vision.interop.hub.push_folder", push)
    out = tmp_path / "hub"
    arguments = ["hub", str(run_folder), "--out", str(out), "--licence", "mit"]
    assert publish.main([*arguments, "--dataset", "mine", "--name", "Tiny"]) == 0
    assert sent == []
    assert (out / "config.yaml").read_text() == "name: tiny\n"
    card = (out / "README.md").read_text()
    assert "license: mit" in card
    assert "# Tiny" in card
    images = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    assert torch.equal(vision.load(f"hf://{out}")(images), vision.load(run_folder)(images))
    assert publish.main([*arguments, "--push", "me/tiny"]) == 0
    assert sent == [(out, "me/tiny", False)]
