"""Training batches of sweeps as they are drawn: from above, with the boxes that are learned."""

import torch

from vision.draw.sweeps import draw_sweep
from vision.draw.train_batches import DENSE_CELL, Cell, TrainBatch, shown_name
from vision.wording import counted


def train_cells(shown: TrainBatch) -> list[Cell]:
    """Sweeps with their objects, after augmentation; below are the numbers of both."""
    if "target" not in shown.batch:
        return []
    sweeps = shown.batch["points"].split(shown.batch["counts"].tolist())
    cells = []
    for points, target in zip(sweeps, shown.batch["target"], strict=True):
        labels = target["labels"]
        names = [shown_name(shown.class_names, k) for k in range(max([-1, *labels.tolist()]) + 1)]
        picture = draw_sweep(
            points,
            target["boxes3d"],
            labels=labels,
            class_names=names,
            palette=shown.palette,
            side=DENSE_CELL,
        )
        text = f"{counted(len(points), 'points')}, {counted(len(labels), 'objects')}"
        cells.append((torch.from_numpy(picture.copy()).permute(2, 0, 1), text))
    return cells
