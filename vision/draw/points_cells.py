"""Training batches of points as they are drawn: the voxels of each cloud in colours and classes.

Letters: V voxels of a cloud.
"""

import numpy as np
import torch

from vision.contracts.points import IGNORED
from vision.draw.points import Panel, draw_panels, label_colors, legend_of, with_legend
from vision.draw.train_batches import Cell, TrainBatch
from vision.wording import counted

SIDE = 320  # pixels of a view; two stand beside one another


def train_cells(shown: TrainBatch) -> list[Cell]:
    """The points of each cloud, in voxels: their colours beside those of their classes.

    Ignored points are grey. Below are the number of voxels and of classes.
    """
    keys = ("coords", "colors", "label", "counts")
    if not {*keys} <= {*shown.batch}:
        return []
    counts = shown.batch["counts"].tolist()
    packed = (shown.batch[key].split(counts) for key in keys[:3])
    cells = []
    for coords, colors, label in zip(*packed, strict=True):
        labels = label.numpy()
        panels = [
            Panel("", colors.numpy()),
            Panel("", label_colors(labels, shown.palette)),
        ]
        picture = draw_panels(coords.float().numpy(), panels, side=SIDE)
        entries = legend_of([labels], shown.class_names, shown.palette)
        cells.append((with_legend(picture, entries), _summary(labels)))
    return _one_size(cells)


def _summary(labels: np.ndarray) -> str:
    """How many voxels and classes a cloud has, in words."""
    known = labels[labels != IGNORED]
    classes = counted(len(np.unique(known)), "classes")
    return f"{counted(len(labels), 'voxels')}, {classes}"


def _one_size(cells: list[Cell]) -> list[Cell]:
    """Pictures with white below, so that all are as high as the highest: legends differ."""
    height = max((picture.shape[1] for picture, _ in cells), default=0)
    extended = []
    for picture, text in cells:
        below = picture.new_full((3, height - picture.shape[1], picture.shape[2]), 255)
        extended.append((torch.cat([picture, below], dim=1), text))
    return extended
