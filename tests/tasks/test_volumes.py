"""The segmentation of volumes: training, whole volumes, and what data and files bring."""

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_task import quiet_trainer
from helpers.tiny_volume_task import (
    BACKBONE,
    MODALITIES,
    NAMES,
    ORIGINAL_SIZES,
    REGIONS,
    SIZES,
    evaluation_batch,
    random_batch,
    tiny_volumes,
)
from lightning.pytorch import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader

from vision.backbones.swin_volume import SwinVolume
from vision.errors import ConfigError
from vision.ops.volume_regions import region_masks
from vision.tasks.checkpoint import plain
from vision.tasks.volumes import VolumeSegmentation


def summed(stage: str, terms: dict[str, Tensor], size: int) -> Tensor:
    return torch.stack(tuple(terms.values())).sum()


@pytest.mark.parametrize(
    ("options", "outputs"),
    [
        ({}, 3),
        ({"regions": None, "loss_options": {"terms": {"dice": 1, "cross_entropy": 1}}}, 4),
        ({"head_options": {"deep_supervision": 2}, "memory": "checkpoint"}, 3),
    ],
    ids=["regions", "classes", "deep"],
)
def test_every_parameter_is_trained(options: dict[str, Any], outputs: int) -> None:
    task = tiny_volumes(**options).train()
    task.log_losses = summed  # type: ignore[method-assign]
    batch = random_batch((12, 8, 20))  # no multiple of 8: padded
    task.training_step(batch, 0).backward()
    for name, parameter in task.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
    assert task.eval()(batch["volume"]).shape == (2, outputs, 12, 8, 20)


def test_a_batch_without_labels_reaches_every_parameter() -> None:
    task = tiny_volumes().train()
    task.log_losses = summed  # type: ignore[method-assign]
    batch = random_batch()
    batch["mask"].fill_(255)
    loss = task.training_step(batch, 0)
    loss.backward()
    assert loss == 0
    assert all(p.grad is not None and not p.grad.any() for p in task.parameters())


def test_one_batch_is_learnt_by_heart() -> None:
    task, batch = tiny_volumes().train(), random_batch()
    task.log_losses = summed  # type: ignore[method-assign]
    optimizer = torch.optim.AdamW(task.parameters(), lr=5e-3)
    losses = []
    for step in range(10):
        loss = task.training_step(batch, step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.75 * losses[0]


@pytest.mark.parametrize("regions", [REGIONS, None])
@torch.no_grad()
def test_predictions_are_of_the_original_cells_and_do_not_depend_on_the_batch(
    regions: dict[str, list[int]] | None,
) -> None:
    task, batch = tiny_volumes(regions=regions).eval(), evaluation_batch()
    together = task.run(batch, probabilities=True)
    for i, (size, original) in enumerate(zip(SIZES, ORIGINAL_SIZES, strict=True)):
        assert together[i]["mask"].shape == original
        assert together[i]["probabilities"].shape == (3 if regions else 4, *original)
        alone: Any = {key: value[i : i + 1] for key, value in batch.items()}
        alone["volume"] = alone["volume"][:, :, : size[0], : size[1], : size[2]]
        (again,) = task.run(alone)
        assert "probabilities" not in again
        assert torch.equal(again["mask"], together[i]["mask"])
        assert again["mask"].unique().numel() > 1, "a test on one class shows nothing"


class TinyVolumes(LightningDataModule):
    """One batch to evaluate, with what the data knows of it."""

    kind = "volumes"
    class_names, regions, modalities = NAMES, REGIONS, MODALITIES
    label_values = (0, 1, 2, 4)

    def __init__(self) -> None:
        super().__init__()
        self.preprocessing = {"transform": "VolumeEvalTransform", "orientation": "LPS"}

    def val_dataloader(self) -> Any:
        return DataLoader([evaluation_batch()], batch_size=None)  # type: ignore[arg-type]

    def predict_dataloader(self) -> Any:
        batch = {key: value for key, value in evaluation_batch().items() if key != "mask"}
        return DataLoader([batch], batch_size=None)  # type: ignore[arg-type]


def test_what_the_data_knows_is_the_tasks_and_in_its_file(tmp_path: Path) -> None:
    task = tiny_volumes(
        class_names=None,
        modalities=None,
        backbone_options={**BACKBONE, "in_channels": 2},
        distances=True,
    )
    data, trainer = TinyVolumes(), quiet_trainer(tmp_path)
    trainer.validate(task, data, verbose=False)
    logged = {name.removeprefix("val/"): float(x) for name, x in trainer.callback_metrics.items()}
    assert {"Dice", "Dice_TC", "Dice_WT", "Dice_ET", "HD95", "HD95_ET"} <= logged.keys()
    assert (task.modalities, task.label_values) == (MODALITIES, [0, 1, 2, 4])
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    loaded = VolumeSegmentation.load_from_checkpoint(tmp_path / "a.ckpt", weights_only=True)
    assert (loaded.modalities, loaded.label_values) == (task.modalities, task.label_values)
    assert (loaded.regions, loaded.class_names) == (task.regions, NAMES)
    assert loaded.in_channels == tiny_volumes().in_channels == 2
    assert plain(loaded.inference) == plain(task.inference)
    assert loaded.preprocessing == data.preprocessing
    for name, value in task.state_dict().items():
        assert torch.equal(value, loaded.state_dict()[name]), name
    # By hand, from the predictions.
    found = trainer.predict(task, data)
    assert found is not None
    dice = []
    for one, mask in zip(found[0], evaluation_batch()["mask"], strict=True):
        d, h, w = one["mask"].shape
        truth = region_masks(mask[:d, :h, :w], task.regions or {})
        both = (one["regions"] & truth).flatten(1).sum(1)
        dice.append(2 * both / (one["regions"].flatten(1).sum(1) + truth.flatten(1).sum(1)))
    assert [one["subject"] for one in found[0]] == ["first", "second"]
    means = torch.stack(dice).mean(0)
    assert [logged[f"Dice_{name}"] for name in REGIONS] == pytest.approx(means.tolist())
    assert logged["Dice"] == pytest.approx(means.mean().item())


def test_classes_are_measured_without_the_background(tmp_path: Path) -> None:
    task = tiny_volumes(regions=None)
    data, trainer = TinyVolumes(), quiet_trainer(tmp_path)
    data.regions = None  # type: ignore[assignment]
    trainer.validate(task, data, verbose=False)
    named = {name for name in trainer.callback_metrics if name.startswith("val/Dice")}
    assert named == {"val/Dice", *(f"val/Dice_{name}" for name in NAMES[1:])}


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"backbone": "convnext_tiny", "backbone_options": {}}, ["volumes", "swin_volume"]),
        ({"backbone": SwinVolume(axes=2), "backbone_options": {}}, ["three axes", "swin_volume"]),
        ({"num_classes": 256}, ["num_classes=256", "from 2 to 255"]),
        ({"regions": {"WT": [1, 2]}}, ["'WT'", "exactly one class"]),
        ({"decoder": "swin_unet"}, ["decoder='swin_unet'", "swin_unetr"]),
        ({"inference": {"windows": [1, 2, 3]}}, ["inference.windows", "window"]),
        ({"loss_options": {"terms": {"iou": 1}}}, ["'iou'", "dice"]),
        ({"modalities": ["a", "a"]}, ["modalities", "'a', 'a'", "2 different names"]),
        ({"label_values": [0, 1]}, ["label_values", "0, 1", "needs 4"]),
        ({"empty": "zero"}, ["'zero'", "skip, brats"]),
    ],
)
def test_arguments_that_do_not_fit_are_refused(options: dict[str, Any], parts: list[str]) -> None:
    with refuses(ConfigError, *parts):
        tiny_volumes(**options)


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"regions": {"TC": (1, 3), "WT": (1, 2, 3)}}, ["the data has the regions", "regions=..."]),
        ({"modalities": ["t1", "flair"]}, ["modalities of the task", "t1, flair"]),
        ({"modalities": ["t1"]}, ["modalities of the data", "needs 2 different names"]),
        ({"class_names": NAMES[:3]}, ["num_classes=4", "3 classes"]),
    ],
)
def test_data_of_another_kind_is_refused(
    tmp_path: Path, changes: dict[str, Any], parts: list[str]
) -> None:
    data = TinyVolumes()
    for name, value in changes.items():
        setattr(data, name, value)
    with refuses(ConfigError, *parts):
        quiet_trainer(tmp_path).validate(tiny_volumes(), data, verbose=False)
