"""Training batches of detection as they are drawn."""

from torch import Tensor
from torch.nn import functional as F

from vision.contracts.detection import DetectionTarget
from vision.draw.detection import draw_detections
from vision.draw.train_batches import DENSE_CELL, Cell, TrainBatch, fit_side, resize


def train_cells(shown: TrainBatch) -> list[Cell]:
    """Images with the boxes, masks and names of their objects."""
    cells = []
    for image, target in zip(shown.images, shown.batch.get("target", ()), strict=False):
        small, own = _shrink_objects(image, target)
        picture = draw_detections(small, None, own, class_names=shown.class_names)
        size = f"{image.shape[2]} x {image.shape[1]} pixels"
        cells.append((fit_side(picture, DENSE_CELL), size))
    return cells


def _shrink_objects(image: Tensor, target: DetectionTarget) -> tuple[Tensor, DetectionTarget]:
    """Image and objects of the size in which they are drawn: drawing large masks takes long."""
    height, width = image.shape[1:]
    scale = min(1.0, DENSE_CELL / max(height, width))
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    own: DetectionTarget = {**target, "boxes": target["boxes"].float().cpu() * scale}
    if "masks" in target:
        masks = target["masks"][:, None, :height, :width].float()
        own["masks"] = F.interpolate(masks, size)[:, 0] > 0.5 if len(masks) else masks[:, 0].bool()
    return (image if scale == 1.0 else resize(image, size)), own
