"""Training batches of volumes as they are drawn: patches with the outlines of their classes.

Letters: D, H, W cells along the axes of a patch.
"""

import numpy as np
import torch
from torch import Tensor

from vision.contracts.volumes import IGNORED
from vision.draw.train_batches import Cell, TrainBatch
from vision.draw.volumes import draw_planes
from vision.wording import counted

SIDE = 200  # pixels of the longest side of a patch; three planes stand beside one another


def train_cells(shown: TrainBatch) -> list[Cell]:
    """Three planes through each patch, of its first modality, and the share of foreground.

    The planes go through the middle of the largest region, and through that of the patch where it
    has none. Cells that are ignored have stripes.
    """
    if not {"volume", "mask"} <= {*shown.batch}:
        return []
    cells = []
    keys = ("volume", "mask", "affine", "size")
    for volume, whole, affine, size in zip(*(shown.batch[key] for key in keys), strict=True):
        d, h, w = size.tolist()
        mask = whole[:d, :h, :w].numpy()
        picture = draw_planes(
            volume[:, :d, :h, :w].float().numpy(),
            mask,
            affine.double().numpy(),
            names=shown.class_names,
            palette=shown.palette,
            side=SIDE,
        )
        cells.append((picture, _share(mask)))
    return _one_size(cells)


def _share(mask: np.ndarray) -> str:
    """How much of a patch has a class, in words."""
    known = mask != IGNORED
    labels = np.unique(mask[known & (mask != 0)])
    if not len(labels):
        return "no foreground"
    share = ((mask != 0) & known).sum() / known.sum()
    return f"{counted(len(labels), 'classes')}, {share:.1%} foreground"


def _one_size(cells: list[Cell]) -> list[Cell]:
    """Pictures with black below, so that all are as high as the highest: legends differ."""
    height = max((picture.shape[1] for picture, _ in cells), default=0)
    return [(_extended(picture, height), text) for picture, text in cells]


def _extended(picture: Tensor, height: int) -> Tensor:
    below = picture.new_zeros(3, height - picture.shape[1], picture.shape[2])
    return torch.cat([picture, below], dim=1)
