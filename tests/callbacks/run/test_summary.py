"""The lines before and after a training."""

import shlex
from pathlib import Path

import pytest
from helpers.tiny_task import TinyData, quiet_trainer, tiny_task
from lightning.pytorch.callbacks import ModelCheckpoint

from vision.callbacks import RunSummary
from vision.callbacks.run.summary import relative_path


def test_the_summary_names_metric_checkpoint_picture_and_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "run"
    run.mkdir()
    (run / "predictions.png").touch()
    keeper = ModelCheckpoint(dirpath=run, filename="best", monitor="val/top1", mode="max")
    summary = RunSummary(run, title="tiny", commands=[("again", "python again.py")])
    trainer = quiet_trainer(
        tmp_path, callbacks=[keeper, summary], enable_checkpointing=True, max_epochs=2
    )
    trainer.fit(tiny_task(), TinyData())
    out = capsys.readouterr().out
    assert "tiny: Classification with convnext, 0." in out
    best = float(keeper.best_model_score)
    assert f"best val/top1  {best:.4f} ({best:.2%})" in out
    assert "training time" in out
    assert "2 epochs" in out
    assert f"checkpoint     {Path('run') / 'best.ckpt'}" in out
    assert f"picture        {Path('run') / 'predictions.png'}" in out
    assert out.rstrip().endswith("# again\n  python again.py")


def test_plain_dataloaders_and_no_checkpoint_are_fine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = TinyData()
    trainer = quiet_trainer(tmp_path, callbacks=[RunSummary(tmp_path, title="t")], max_epochs=1)
    trainer.fit(tiny_task(), data.train_dataloader())
    out = capsys.readouterr().out
    assert "the given dataloaders" in out
    assert "training time" in out
    assert "checkpoint" not in out


def test_paths_are_short_below_the_current_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert relative_path(tmp_path / "here" / "a" / "b.txt") == str(Path("a/b.txt"))
    assert relative_path(tmp_path / "b.txt") == str(tmp_path / "b.txt")


@pytest.mark.parametrize("width", [80, 100, 120])
def test_lines_fit_the_width(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", str(width))
    command = "python train.py fit --config runs/a_long_name/version_0/config.yaml --name other"
    command += " --model.backbone swin --model.backbone_options '{dim: 48, depths: [2, 2]}'"
    summary = RunSummary(
        tmp_path / "runs/a_rather_long_name", title="a_rather_long_name", commands=[("x", command)]
    )
    quiet_trainer(tmp_path, callbacks=[summary], max_epochs=1).fit(tiny_task(), TinyData())
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= width
    assert "1 epoch\n" in out
    shown = out.partition("# x\n")[2].replace("\\\n", " ")
    assert shlex.split(shown) == shlex.split(command)
