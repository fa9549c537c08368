"""Loggers of a config that name no folder write into that of the run."""

from pathlib import Path

import pytest
from jsonargparse import Namespace

from vision.cli.app import run
from vision.cli.other_loggers import place_logs, unplaced_logs
from vision.errors import VisionError

LOGGER = "helpers.other_logger.Remote"
CONFIG = """
name: tiny
threads: 1
model:
  class_path: Classification
  init_args: {backbone: convnext, backbone_options: {dims: [8, 8], depths: [1, 1]}}
data: {class_path: Digits, init_args: {batch_size: 100}}
trainer:
  logger: {class_path: helpers.other_logger.Remote}
  max_steps: 1
  log_every_n_steps: 1
  max_epochs: -1
  accelerator: cpu
  limit_val_batches: 1
  num_sanity_val_steps: 0
  enable_progress_bar: false
"""


def configured(save_dir: str) -> Namespace:
    return Namespace(class_path=LOGGER, init_args=Namespace(save_dir=save_dir, name="logs"))


def test_only_a_folder_that_was_left_out_is_chosen(tmp_path: Path) -> None:
    free, fixed = configured("./remote"), configured("elsewhere")
    for given in (None, True, False, fixed):
        assert unplaced_logs(given) == []
    loggers = unplaced_logs([fixed, free])
    assert loggers == [free]
    place_logs(loggers, tmp_path)
    assert free.init_args.save_dir == str(tmp_path / "remote")
    assert fixed.init_args.save_dir == "elsewhere"


def test_a_database_lies_in_the_run_unless_it_has_an_address(tmp_path: Path) -> None:
    def tracked(uri: str | None) -> Namespace:
        options = Namespace(save_dir="./mlruns", tracking_uri=uri, artifact_location=None)
        return Namespace(class_path="lightning.pytorch.loggers.MLFlowLogger", init_args=options)

    here, server = tracked(None), tracked("http://127.0.0.1:5000")
    loggers = unplaced_logs([here, server])
    assert loggers == [here]
    place_logs(loggers, tmp_path)
    assert here.init_args.tracking_uri == f"sqlite:///{tmp_path}/mlflow.db"
    assert here.init_args.artifact_location == (tmp_path / "mlruns").as_uri()


def test_a_run_has_the_files_of_all_its_loggers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(CONFIG)
    run("fit", ["--config", "tiny.yaml"])
    place = tmp_path / "runs" / "tiny" / "version_0"
    assert list((place / "remote").rglob("metrics.csv"))
    assert (place / "metrics.csv").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runs", "tiny.yaml"]
    with pytest.raises(VisionError):
        run("fit", ["--config", "tiny.yaml", "--model.backbone", "convnext_x"])
    assert [path.name for path in place.parent.iterdir()] == ["version_0"]
