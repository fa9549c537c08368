"""Training batches of semantic segmentation as they are drawn."""

import torch
from torch.nn import functional as F

from vision.contracts.segmentation import IGNORED
from vision.draw.segmentation import class_palette, overlay_mask
from vision.draw.train_batches import DENSE_CELL, Cell, TrainBatch, fit_side, shown_name

MAX_NAMED = 3


def train_cells(shown: TrainBatch) -> list[Cell]:
    """Images with the classes of their pixels in colour, and the names of the most frequent."""
    if "mask" not in shown.batch:
        return []
    palette = shown.palette
    if palette is None:
        palette = class_palette(min(len(shown.class_names), IGNORED))
    cells = []
    for image, whole in zip(shown.images, shown.batch["mask"], strict=False):
        height, width = image.shape[1:]
        small = fit_side(image, DENSE_CELL)
        mask = F.interpolate(whole[None, None, :height, :width].float(), small.shape[1:])
        mask = mask[0, 0].long()
        pixels = torch.bincount(mask[mask != IGNORED], minlength=1)
        order = pixels.argsort(descending=True, stable=True).tolist()
        present = [shown_name(shown.class_names, i) for i in order if pixels[i] > 0]
        more = f", {len(present) - MAX_NAMED} more" if len(present) > MAX_NAMED else ""
        text = ", ".join(present[:MAX_NAMED]) + more
        cells.append((overlay_mask(small, mask, palette), text or "all ignored"))
    return cells
