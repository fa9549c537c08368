"""A small classification task and a small datamodule of random images, for the tests of tasks."""

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningDataModule, Trainer
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from vision.optim.settings import OptimSettings
from vision.tasks import Classification

TINY_CONVNEXT = {"dims": [16, 32, 64, 128], "depths": [1, 1, 1, 1]}


# Options of the optimiser that the tests of tasks give beside the others.
OPTIM = {field.name for field in fields(OptimSettings)}


def tiny_task(**options: Any) -> Classification:
    """A classifier of eight classes with the same weights every time; it has no warm-up."""
    torch.manual_seed(0)
    optim = {name: options.pop(name) for name in OPTIM & set(options)}
    defaults: dict[str, Any] = {"backbone": "convnext", "num_classes": 8}
    defaults["optim"] = OptimSettings(**{"warmup_epochs": 0, **optim})
    if isinstance(options.get("backbone", ""), str):
        own = options.get("backbone_options", {})
        options = {**options, "backbone_options": {**TINY_CONVNEXT, **own}}
    return Classification(**{**defaults, **options})


def random_images(count: int, side: int = 32) -> Tensor:
    """Random uint8 images `(count, 3, side, side)`, the same every time."""
    generator = torch.Generator().manual_seed(count)
    return torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8, generator=generator)


def random_labels(count: int, classes: int = 8) -> Tensor:
    """Labels `(count,)` in which every class occurs."""
    return torch.arange(count) % classes


class RandomImages(Dataset):
    def __init__(self, count: int, *, with_path: bool = False) -> None:
        self.images, self.labels = random_images(count), random_labels(count)
        self.with_path = with_path

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> dict[str, Any]:
        sample = {"image": self.images[index], "size": torch.tensor([32, 32])}
        if self.with_path:
            return {**sample, "path": f"image_{index}.png"}
        return {**sample, "label": self.labels[index]}


class EpochSampler(Sampler):
    """An order that is a function of the epoch alone, as that of the suite's datamodules."""

    def __init__(self, count: int) -> None:
        self.count, self.epoch = count, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.epoch)
        yield from torch.randperm(self.count, generator=generator).tolist()


class TinyData(LightningDataModule):
    """`train` training images and `val` images for evaluation, in batches of four."""

    def __init__(self, train: int = 12, val: int = 10, class_names: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.train, self.val = RandomImages(train), RandomImages(val)
        self.class_names = class_names

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.train, batch_size=4, sampler=EpochSampler(len(self.train)))

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.val, batch_size=4)

    def test_dataloader(self) -> DataLoader:
        return DataLoader(self.val, batch_size=4)

    def predict_dataloader(self) -> DataLoader:
        return DataLoader(RandomImages(len(self.val), with_path=True), batch_size=4)


def quiet_trainer(folder: Path, **options: Any) -> Trainer:
    """A trainer on the CPU that writes only the checkpoints that a test asks for."""
    defaults: dict[str, Any] = {
        "accelerator": "cpu",
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "default_root_dir": folder,
        "num_sanity_val_steps": 0,
    }
    return Trainer(**{**defaults, **options})
