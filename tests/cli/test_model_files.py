"""Weights of a run for `vision.load` equal its checkpoints'."""

import os
from pathlib import Path

import pytest
import torch
from helpers.tiny_task import TinyData, quiet_trainer, random_images, tiny_task
from lightning.pytorch.callbacks import ModelCheckpoint

import vision
from vision.callbacks.run.checkpoint_io import AtomicCheckpointIO
from vision.callbacks.run.last_checkpoint import LastCheckpoint
from vision.cli.model_files import ModelFiles
from vision.weights.model_file import read_model


def train(folder: Path, *, ema: float | None, epochs: int = 2) -> None:
    best = ModelCheckpoint(folder / "checkpoints", "best", monitor="val/top1", mode="max")
    last = LastCheckpoint(folder / "checkpoints/last.ckpt", every_steps=2)
    trainer = quiet_trainer(
        folder,
        max_epochs=epochs,
        callbacks=[best, last],
        enable_checkpointing=True,
        plugins=[AtomicCheckpointIO(written=ModelFiles(folder))],
    )
    trainer.fit(tiny_task(ema_decay=ema, lr=1e-2), TinyData())


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    train(folder, ema=0.5)
    return folder


@pytest.mark.parametrize("name", ["best", "last"])
def test_outputs_are_those_of_the_checkpoint(run: Path, name: str) -> None:
    images = random_images(3)
    ours = vision.load(run / f"weights/{name}.safetensors")
    theirs = vision.load(run / f"checkpoints/{name}.ckpt")
    assert torch.equal(ours(images), theirs(images))
    checkpoint = torch.load(run / f"checkpoints/{name}.ckpt", weights_only=True)
    state, description = read_model(run / f"weights/{name}.safetensors")
    torch.testing.assert_close(state, dict(checkpoint["ema_state_dict"]), rtol=0, atol=0)
    raw = checkpoint["state_dict"]["head.fc.weight"]
    assert not torch.equal(state["head.fc.weight"], raw)
    assert description is not None
    assert description["averaged"]
    assert description["step"] == checkpoint["global_step"]
    assert set(description["metrics"]) == {"val/loss", "val/top1", "val/top5"}


def test_without_averages_the_weights_are_the_raw_ones(tmp_path: Path) -> None:
    train(tmp_path, ema=None, epochs=1)
    checkpoint = torch.load(tmp_path / "checkpoints/last.ckpt", weights_only=True)
    state, description = read_model(tmp_path / "weights/last.safetensors")
    torch.testing.assert_close(state, dict(checkpoint["state_dict"]), rtol=0, atol=0)
    assert description is not None
    assert not description["averaged"]


def test_within_an_epoch_and_elsewhere_nothing_is_written(run: Path, tmp_path: Path) -> None:
    checkpoint = torch.load(run / "checkpoints/last.ckpt", weights_only=True)
    files = ModelFiles(tmp_path)
    files(checkpoint, tmp_path / "elsewhere" / "last.ckpt")
    files(checkpoint, tmp_path / "checkpoints" / "epoch_3.ckpt")
    checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]["is_last_batch"] = False
    files(checkpoint, tmp_path / "checkpoints" / "last.ckpt")
    assert not (tmp_path / "weights").exists()
    files(checkpoint, tmp_path / "checkpoints" / "best.ckpt")
    assert [path.name for path in (tmp_path / "weights").iterdir()] == ["best.safetensors"]


def test_what_cannot_be_written_is_warned_of_and_leaves_no_older_file(
    run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = torch.load(run / "checkpoints/last.ckpt", weights_only=True)
    path = tmp_path / "checkpoints" / "last.ckpt"
    files = ModelFiles(tmp_path)
    files(checkpoint, path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    files(checkpoint, path)
    assert "No space left" in caplog.text
    assert list((tmp_path / "weights").iterdir()) == []
