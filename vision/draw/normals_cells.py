"""Training batches of surface normals as they are drawn."""

import torch

from vision.draw.normals import color_normals
from vision.draw.train_batches import CELL, Cell, TrainBatch, fit_map, fit_side


def train_cells(shown: TrainBatch) -> list[Cell]:
    """Images beside their normals in colour, and the share of pixels with one."""
    cells = []
    for image, whole in zip(shown.images, shown.batch.get("normals", ()), strict=False):
        small = fit_side(image, CELL)
        normals = fit_map(whole[:, : image.shape[1], : image.shape[2]], small)
        share = (normals != 0).any(dim=0).float().mean()
        text = f"{share:.0%} of the pixels" if share else "no normal"
        cells.append((torch.cat([small, color_normals(normals)], dim=2), text))
    return cells
