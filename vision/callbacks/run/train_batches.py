"""Pictures of the first training batches, augmented and with their targets."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from vision.contracts.classes import known_classes
from vision.decoration import decorative
from vision.draw.train_batches import MAX_IMAGES, TrainBatch, draw_train_batch
from vision.files import replace_file
from vision.task_parts import find_part, has_part

FOLDER = "train_batches"
QUALITY = 90
COLUMN = "train_cells"


@decorative("the pictures of training batches")
class TrainBatches(Callback):
    """Draws the first batches of a training as the model receives them.

    `train_batches/train_batch_0.jpg` and so on have at most 16 images each, after all
    augmentation, on the device too: mixed labels have their shares, and erased parts are visible.
    The model is not run for them, and random numbers are not consumed. A resumed run keeps its
    pictures.

    The task has the part `train_cells` of `vision.kinds`, and `normalize` if its batches are
    images; of others nothing is drawn.

    Args:
        folder: Folder of the run.
        count: Number of batches.
    """

    def __init__(self, folder: Path | str, *, count: int = 3) -> None:
        self.folder = Path(folder) / FOLDER
        self.count = count
        self._drawn = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin, unless there are pictures from before a run was resumed."""
        self._drawn = self.count if self.folder.exists() or not trainer.is_global_zero else 0

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Draw one of the first batches."""
        if self._drawn >= self.count or not has_part(pl_module, COLUMN):
            return
        number, self._drawn = self._drawn, self._drawn + 1
        shown = show_batch(pl_module, trainer, batch)
        if shown is None:
            return
        picture = draw_train_batch(find_part(pl_module, COLUMN), shown)
        if picture is None:
            return
        path = self.folder / f"train_batch_{number}.jpg"
        replace_file(path, lambda place: picture.save(place, quality=QUALITY))


@torch.no_grad()
def show_batch(module: LightningModule, trainer: Trainer, batch: Any) -> TrainBatch | None:
    """Bring the first images of a batch, and what belongs to them, back to the CPU.

    Args:
        module: The task, with the `normalize` that images went through.
        trainer: Its trainer.
        batch: A batch whose images or volumes are normalised, or clouds of points one after
            another.

    Returns:
        None if it is neither.
    """
    if not isinstance(batch, Mapping):
        return None
    if "volume" in batch:  # its patches are drawn by what belongs to them
        images: list[Tensor] = []
        own = {key: _first(value, MAX_IMAGES) for key, value in batch.items()}
    elif "counts" in batch:
        images, own = [], _first_clouds(batch, MAX_IMAGES)
    else:
        norm: Any = getattr(module, "normalize", None)
        if norm is None or "image" not in batch:
            return None
        own = {key: _first(value, MAX_IMAGES) for key, value in batch.items() if key != "image"}
        images = _pixels(norm, batch["image"][:MAX_IMAGES], own)
    data = getattr(trainer, "datamodule", None)
    palette = getattr(data, "palette", None)
    return TrainBatch(
        images=images,
        batch=own,
        class_names=known_classes(module, data),
        palette=None if palette is None else np.asarray(palette, np.uint8),
    )


def _pixels(norm: Any, images: Tensor, own: Mapping[str, Any]) -> list[Tensor]:
    """Normalised images as uint8 `(3, H, W)` RGB each, without their padding."""
    pixels = images.float() * norm.std.float() + norm.mean.float()
    pixels = pixels.round().clamp(0, 255).to(torch.uint8).cpu().contiguous()  # (B, C, H, W)
    pixels = pixels[:, :3] if pixels.shape[1] >= 3 else pixels[:, :1].expand(-1, 3, -1, -1)
    sizes = own["size"].tolist() if "size" in own else [pixels.shape[2:]] * len(pixels)
    return [image[:, :h, :w] for image, (h, w) in zip(pixels, sizes, strict=True)]


def _first(value: Any, count: int) -> Any:
    """The part of the first images, on the CPU."""
    if isinstance(value, Tensor):
        return value[:count].cpu() if value.ndim else value.cpu()
    if isinstance(value, list | tuple):
        return [_to_cpu(item) for item in value[:count]]
    return value


def _first_clouds(batch: Mapping[str, Any], count: int) -> dict[str, Any]:
    """The part of the first clouds, whose points stand one after another, on the CPU."""
    counts = batch["counts"]
    points, kept = int(counts.sum()), int(counts[:count].sum())
    packed = {
        key
        for key, value in batch.items()
        if isinstance(value, Tensor) and value.ndim and len(value) == points != len(counts)
    }
    return {key: _first(value, kept if key in packed else count) for key, value in batch.items()}


def _to_cpu(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.cpu()
    if isinstance(value, Mapping):
        return {key: _to_cpu(item) for key, item in value.items()}
    return value
