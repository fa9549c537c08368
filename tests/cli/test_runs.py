"""What is said of a checkpoint that does not fit the model."""

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.tiny_segmentation import tiny_segmentor
from helpers.tiny_task import TinyData, quiet_trainer, tiny_task

from vision.cli.runs import check_checkpoint, new_run_folder
from vision.errors import ConfigError, WeightsError


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    trainer = quiet_trainer(folder, max_epochs=1, limit_val_batches=0)
    trainer.fit(tiny_task(), TinyData(train=8))
    trainer.save_checkpoint(folder / "a.ckpt")
    return folder / "a.ckpt"


def refused(path: Path, module: Any) -> str:
    with pytest.raises(WeightsError) as error:
        check_checkpoint(path, module)
    message = str(error.value)
    assert str(path) in message
    assert len(message.splitlines()) <= 8
    return message


def changed(path: Path, folder: Path, **entries: Any) -> Path:
    checkpoint = {**torch.load(path, weights_only=True), **entries}
    torch.save({k: v for k, v in checkpoint.items() if v is not None}, folder / "b.ckpt")
    return folder / "b.ckpt"


def test_its_own_model_takes_it(path: Path) -> None:
    assert check_checkpoint(path, tiny_task()) == 2


def test_another_task_is_named(path: Path) -> None:
    message = refused(path, tiny_segmentor())
    assert "its task is Classification, the config's Segmentation." in message
    assert "its number of classes is 8, the config's 4." in message


def test_another_number_of_classes_is_named(path: Path) -> None:
    message = refused(path, tiny_task(num_classes=5))
    assert "its number of classes is 8, the config's 5." in message
    assert "its task" not in message
    assert "version" not in message


def test_another_backbone_and_version_are_named(path: Path, tmp_path: Path) -> None:
    description = torch.load(path, weights_only=True)["vision"]
    old = changed(
        path, tmp_path, vision={**description, "version": "0.0.1", "backbone": "swin_tiny"}
    )
    message = refused(old, tiny_task(num_classes=5))
    assert "its backbone is swin_tiny, the config's convnext." in message
    assert "version 0.0.1 of the suite wrote it, this is " in message
    # A different version is no obstacle by itself.
    assert check_checkpoint(old, tiny_task()) == 2


def test_without_a_description_the_tensors_are_named(path: Path, tmp_path: Path) -> None:
    message = refused(changed(path, tmp_path, vision=None), tiny_task(num_classes=5))
    assert "head.fc.weight" in message
    assert "its task" not in message


def test_damage_is_named(path: Path, tmp_path: Path) -> None:
    assert "it is damaged" in refused(changed(path, tmp_path, state_dict=None), tiny_task())
    torn = tmp_path / "torn.ckpt"
    torn.write_bytes(path.read_bytes()[:-500])
    assert "truncated" in refused(torn, tiny_task())


def test_a_folder_that_another_run_takes_meanwhile_is_not_shared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exists_not_yet(self: Path) -> bool:
        return False

    (tmp_path / "trial").mkdir()
    monkeypatch.setattr(Path, "exists", exists_not_yet)
    with pytest.raises(ConfigError, match="--version trial"):
        new_run_folder(tmp_path, "trial")
