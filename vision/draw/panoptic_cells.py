"""Training batches of panoptic segmentation as they are drawn."""

from torch.nn import functional as F

from vision.draw.panoptic import Segmented, draw_segments
from vision.draw.train_batches import DENSE_CELL, Cell, TrainBatch, fit_side
from vision.wording import counted


def train_cells(shown: TrainBatch) -> list[Cell]:
    """Images with their segments in the colours of the classes, outlined and named."""
    if "mask" not in shown.batch:
        return []
    cells = []
    masks, segments = shown.batch["mask"], shown.batch["segments"]
    for image, whole, own in zip(shown.images, masks, segments, strict=False):
        height, width = image.shape[1:]
        small = fit_side(image, DENSE_CELL)
        # In float64, which holds ids of 24 bits, by nearest pixels.
        mask = F.interpolate(whole[None, None, :height, :width].double(), small.shape[1:])[0, 0]
        present = set(mask.long().unique().tolist())
        left = [segment for segment in own if segment["id"] in present]
        picture = draw_segments(
            small,
            Segmented(mask.long(), left),
            class_names=shown.class_names,
            palette=shown.palette,
        )
        crowds = sum(bool(segment.get("iscrowd")) for segment in own)
        text = counted(len(own) - crowds, "segments")
        cells.append((picture, text + (f", {counted(crowds, 'crowds')}" if crowds else "")))
    return cells
