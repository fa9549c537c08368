"""Tasks built again from checkpoints, for training and for evaluation, by files that lie."""

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_segmentation import random_batch, tiny_segmentor
from helpers.tiny_task import TinyData, quiet_trainer, random_images, tiny_task
from helpers.watched import the_watch

from vision.errors import CheckpointError, ConfigError, VisionError, WeightsError
from vision.tasks import Classification, Segmentation
from vision.tasks.base import BaseTask
from vision.tasks.build_from_file import checked_arguments

MMSEG = {"type": "FCNHead", "channels": 8, "num_convs": 1, "auxiliary": True}


def contents(task: BaseTask) -> dict[str, Any]:
    """What the checkpoint of a run holds of its task."""
    written: dict[str, Any] = {
        "state_dict": task.state_dict(),
        "hyper_parameters": dict(task.hparams),
        "epoch": 1,
        "global_step": 3,
    }
    task.on_save_checkpoint(written)
    return written


def saved(path: Path, written: Any) -> Path:
    torch.save(written, path)
    return path


def test_settings_for_training_are_kept(tmp_path: Path) -> None:
    task = tiny_task(lr=0.25, label_smoothing=0.2, mix={"mixup": 0.5}).eval()
    path = saved(tmp_path / "a.ckpt", contents(task))
    again = Classification.load_from_checkpoint(path)
    assert (again.optim.lr, again.mixer.settings) == (0.25, task.mixer.settings)
    assert dict(again.hparams)["label_smoothing"] == 0.2
    assert torch.equal(again.eval()(random_images(2)), task(random_images(2)))
    assert Classification.load_from_checkpoint(path, drop_rate=0.5).head.dropout.p == 0.5


@pytest.mark.parametrize(("recomputed", "memory"), [(True, "checkpoint"), (False, "fast")])
def test_files_of_earlier_versions_recompute_blocks(
    tmp_path: Path, recomputed: bool, memory: str
) -> None:
    written = contents(tiny_task())
    for arguments in (written["hyper_parameters"], written["vision"]["hyper_parameters"]):
        del arguments["memory"]
        arguments["grad_checkpointing"] = recomputed
    again = Classification.load_from_checkpoint(saved(tmp_path / "a.ckpt", written))
    assert again.backbone.grad_checkpointing == recomputed
    assert again.hparams["memory"] == memory


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("frozen_stages", "os.system", "frozen_stages="),
        ("optim", {"lr_schedule": "/tmp/x"}, "optim="),
        ("optim", {"lr": float("inf")}, "hyper_parameters.optim.lr"),
        ("backbone", "timm/hf-hub:a/b", "timm has no model"),
        ("_instantiator", "os.system", "no option _instantiator"),
        ("_class_path", "os.system", "no option _class_path"),
    ],
)
def test_other_arguments_are_refused(name: str, value: Any, message: str, tmp_path: Path) -> None:
    written = contents(tiny_task())
    for arguments in (written["hyper_parameters"], written["vision"]["hyper_parameters"]):
        arguments[name] = value
    path = saved(tmp_path / "a.ckpt", written)
    with the_watch().watching(path, module="nothing") as seen, pytest.raises(CheckpointError) as e:
        Classification.load_from_checkpoint(path)
    assert seen == []
    assert message in str(e.value)
    assert str(path) in str(e.value)


def test_weights_to_start_from_are_not_read(tmp_path: Path) -> None:
    written = contents(tiny_task())
    for arguments in (written["hyper_parameters"], written["vision"]["hyper_parameters"]):
        arguments |= {"weights": str(tmp_path / "other.pth"), "pretrained": "http://127.0.0.1:9/x"}
    path = saved(tmp_path / "a.ckpt", written)
    with the_watch().watching(path, module="nothing") as seen:
        Classification.load_from_checkpoint(path)
    assert seen == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda c: c["state_dict"].update({"head.fc.bias": torch.full((8,), torch.nan)}),
            ("8 of 8",),
        ),
        (lambda c: c["state_dict"].update({"head.fc.bias": [1]}), ("is a list",)),
        (lambda c: c["vision"].update({"class_names": ["a"]}), ("1 class (a)",)),
        (lambda c: c.pop("vision"), ("does not say which task",)),
        (lambda c: c.pop("state_dict"), ("NoneType",)),
    ],
)
def test_damaged_checkpoints(change: Any, message: tuple[str, ...], tmp_path: Path) -> None:
    written = contents(tiny_task())
    change(written)
    path = saved(tmp_path / "a.ckpt", written)
    with refuses(VisionError, *message):
        Classification.load_from_checkpoint(path)


def test_a_head_of_mmsegmentation_predicts_and_is_not_trained(tmp_path: Path) -> None:
    pytest.importorskip("mmseg")
    losses = {"loss_decode": {"type": "CrossEntropyLoss", "class_weight": [1.0] * 4}}
    task = tiny_segmentor(segmentor="mmseg", head_options={**MMSEG, **losses}).eval()
    written = contents(task)
    options = written["vision"]["hyper_parameters"]["head_options"]
    options["loss_decode"]["class_weight"] = str(tmp_path / "x.pkl")
    path = saved(tmp_path / "a.ckpt", written)
    with the_watch().watching(path, module="nothing") as seen:
        again = Segmentation.load_from_checkpoint(path)
    assert seen == []
    images = random_batch()["image"]
    assert torch.equal(again.eval()(images)["logits"], task(images)["logits"])
    with refuses(ConfigError, "built", "model", "losses"):
        again.train().training_step(random_batch(), 0)
    # What it says of itself builds the same again.
    described = again.describe()["hyper_parameters"]
    arguments = checked_arguments(Segmentation, described, task.state_dict(), version="0")
    assert arguments["head_options"] == {**MMSEG, "losses": False}


def test_classes_beyond_the_tensors(tmp_path: Path) -> None:
    task = tiny_task()
    given = {**task.describe()["hyper_parameters"], "num_classes": 10**12}
    with refuses(CheckpointError, "1,000,000,000,000 classes", "longest"):
        checked_arguments(Classification, given, task.state_dict(), version="0")


def test_weights_that_are_not_finite_end_a_resume(tmp_path: Path) -> None:
    from vision.cli.runs import check_checkpoint

    written = {**contents(tiny_task()), "pytorch-lightning_version": "2"}
    path = saved(tmp_path / "a.ckpt", written)
    assert check_checkpoint(path, tiny_task()) == 3
    written["state_dict"]["head.fc.bias"] = torch.full((8,), torch.inf)
    with refuses(WeightsError, "--ckpt_path", "'head.fc.bias'", "8"):
        check_checkpoint(saved(path, written), tiny_task())


def test_an_optimiser_by_name_is_trained_on(tmp_path: Path) -> None:
    options = {"adjust_lr_fn": "original", "momentum": 0.9, "ns_steps": 3}
    task = tiny_task(name="muon", options=options, loss={"name": "bce", "target_threshold": 0.2})
    trainer = quiet_trainer(tmp_path, max_steps=1, limit_val_batches=0)
    trainer.fit(task, TinyData(train=4))
    trainer.save_checkpoint(tmp_path / "muon.ckpt")
    again = type(task).load_from_checkpoint(tmp_path / "muon.ckpt")
    assert (again.optim.name, again.optim.options) == ("muon", options)
    assert again.criterion.settings == task.criterion.settings
    checkpoint = torch.load(tmp_path / "muon.ckpt", weights_only=True)
    checkpoint["vision"]["hyper_parameters"]["optim"]["name"] = "os.system"
    torch.save(checkpoint, tmp_path / "bad.ckpt")
    with refuses(CheckpointError, "bad.ckpt", "optim=", "OptimSettings"):
        type(task).load_from_checkpoint(tmp_path / "bad.ckpt")
