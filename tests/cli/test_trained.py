"""The options of train.py for a trained model on disk: nothing from a file is trusted."""

from pathlib import Path

import pytest
from helpers.refusals import refuses
from helpers.tiny_task import tiny_task

from vision.cli.trained import Trained, arguments_for, find_run, load_data, model_options
from vision.errors import CheckpointError, ConfigError


def test_the_run_of_a_file_is_the_nearest_folder_with_a_config(tmp_path: Path) -> None:
    file = tmp_path / "run" / "checkpoints" / "best.ckpt"
    assert find_run(file) is None
    file.parent.mkdir(parents=True)
    (tmp_path / "config.yaml").touch()
    assert find_run(file) is None  # two folders further up
    for folder in (file.parent.parent, file.parent):
        (folder / "config.yaml").touch()
        assert find_run(file) == folder


def test_a_config_beside_a_model_imports_nothing(tmp_path: Path) -> None:
    trained = Trained(tmp_path / "last.ckpt", tmp_path)
    config = tmp_path / "config.yaml"
    config.write_text("trainer:\n  callbacks:\n  - class_path: os.system\n")
    with refuses(ConfigError, "config.yaml", "'os.system'", "--config"):
        arguments_for(trained, ()).__enter__()
    with refuses(ConfigError, "config.yaml", "'os.system'", "--config"):
        load_data(trained.file, None, ())
    config.write_text("data: {class_path: Digits}\nmodel: {class_path: vision.tasks.Detection}\n")
    with arguments_for(trained, ()) as arguments:
        assert arguments == ["--config", str(config), "--ckpt_path", str(trained.file)]


def test_a_file_of_weights_brings_no_paths_along() -> None:
    task = tiny_task()
    described = dict(task.describe())
    found = model_options(described, task.state_dict())
    assert found["class_path"].endswith("Classification")
    assert not {"weights", "pretrained", "optim"} & found["init_args"].keys()
    for name, value in {"backbone": {"class_path": "os.system"}, "num_classes": 10**9}.items():
        arguments = {**described["hyper_parameters"], name: value}
        with pytest.raises(CheckpointError, match=r"backbone is a dict|1,000,000,000 classes"):
            model_options({**described, "hyper_parameters": arguments}, task.state_dict())
