"""Training batches of depth estimation as they are drawn."""

import torch

from vision.draw.depth import color_depth, depth_span, draw_inside
from vision.draw.train_batches import CELL, Cell, TrainBatch, fit_map, fit_side


def train_cells(shown: TrainBatch) -> list[Cell]:
    """Images beside their depth in colour, with a scale in metres, and the range in words."""
    cells = []
    for image, whole in zip(shown.images, shown.batch.get("depth", ()), strict=False):
        small = fit_side(image, CELL)
        depth = fit_map(whole[: image.shape[1], : image.shape[2]], small)
        span = depth_span(depth)
        drawn = draw_inside(color_depth(depth, span), span)
        cells.append((torch.cat([small, drawn], dim=2), _range(depth)))
    return cells


def _range(depth: torch.Tensor) -> str:
    """Nearest and farthest depth, and the share of pixels with one."""
    known = depth[depth > 0]
    if not len(known):
        return "no depth"
    return f"{known.min():.3g} to {known.max():.3g} m, {len(known) / depth.numel():.0%}"
