"""A small model and small batches of random segments, for the tests of panoptic segmentation."""

from pathlib import Path
from typing import Any

import torch
from helpers.tiny_models import TINY

from vision.contracts.panoptic import PanopticBatch, PanopticPrediction
from vision.contracts.segments import SegmentInfo
from vision.tasks.panoptic import PanopticSegmentation

CLASSES, THINGS = 4, [0, 1]
# Options that make the head small.
SMALL: dict[str, Any] = {
    "num_queries": 6,
    "stage_channels": [16, 8, 8, 8],
    "stage_depths": [1, 1, 1, 1],
    "depths": [1, 1, 1],
    "widths": {
        "queries": 16,
        "query_heads": 2,
        "feedforward": 32,
        "pixels": 16,
        "masks": 16,
        "axial_heads": 2,
        "semantic": 16,
        "low_level": [8, 8],
    },
}
SAMPLES = {"instance_samples": 64, "semantic_samples": 64}


def tiny_panoptic(family: str = "convnext", **more: Any) -> PanopticSegmentation:
    """A model of four classes, two of them things, with the same weights every time."""
    torch.manual_seed(0)
    name, options = TINY[family]
    settings: dict[str, Any] = {
        "backbone": name,
        "num_classes": CLASSES,
        "things": THINGS,
        "backbone_options": options,
        "head_options": {**SMALL, **more.pop("head_options", {})},
        "loss_options": SAMPLES,
    }
    return PanopticSegmentation(**{**settings, **more})


def random_batch(
    size: tuple[int, int] = (64, 96),
    *,
    valid: tuple[tuple[int, int], ...] | None = None,
    boxes: int = 5,
) -> PanopticBatch:
    """A training batch of two normalised images, whose masks are void beyond the valid part.

    Segments are boxes of random classes, one of each image a crowd; `boxes=0` leaves none.
    """
    generator = torch.Generator().manual_seed(0)
    sizes = torch.tensor(valid or [size, (size[0] - 7, size[1] - 13)])
    masks = torch.zeros(2, *size, dtype=torch.int32)
    segments = [_draw_boxes(mask, boxes, generator) for mask in masks]
    for mask, infos, (height, width) in zip(masks, segments, sizes.tolist(), strict=True):
        mask[height:], mask[:, width:] = 0, 0
        present = set(mask.unique().tolist())
        infos[:] = [info for info in infos if info["id"] in present]
    return {
        "image": torch.randn(2, 3, *size, generator=generator),
        "size": sizes,
        "original_size": sizes,
        "path": ["a.jpg", "b.jpg"],
        "mask": masks,
        "segments": segments,
        "index": torch.arange(2),
    }


def _draw_boxes(mask: torch.Tensor, count: int, generator: torch.Generator) -> list[SegmentInfo]:
    height, width = mask.shape
    corners = torch.rand(count, 2, generator=generator) * torch.tensor([height / 2, width / 2])
    labels = torch.randint(0, CLASSES, (count,), generator=generator).tolist()
    infos: list[SegmentInfo] = []
    for i, ((top, left), label) in enumerate(zip(corners.long().tolist(), labels, strict=True)):
        mask[top : top + height // 2, left : left + width // 2] = i + 1
        thing = label in THINGS
        crowd = thing and not any(info.get("iscrowd", False) for info in infos)
        infos.append({"id": i + 1, "category_id": label, "isthing": thing, "iscrowd": crowd})
    return infos


def sure_panoptic(family: str = "convnext", **more: Any) -> PanopticSegmentation:
    """The small model in evaluation, whose masks and classes differ enough to find segments."""
    options = {"thing_threshold": 0.0, "stuff_threshold": 0.0, "overlap_threshold": 0.0}
    task = tiny_panoptic(family, **{"merge": options, **more}).eval()
    torch.nn.init.constant_(task.head.prediction.mask_norm.weight, 9.0)
    torch.nn.init.normal_(task.head.prediction.classes.weight, std=2.0)
    return task


def export_panoptic(path: Path) -> None:
    """Write the small model as ONNX, with the JSON file beside it."""
    from vision.export.panoptic import PanopticGraph
    from vision.export.run import ExportOptions, export

    task = sure_panoptic(class_names=["disc", "box", "sky", "grass"])
    options = ExportOptions(format="onnx", size=(64, 96))
    export(PanopticGraph(task), task, dict(task.describe()), path, options)


class ShiftedPanoptic(PanopticSegmentation):
    """Finds in evaluation the true segments two pixels further right, the box as a disc.

    Crowds are not found. In prediction, without a ground truth, it is the model that it is.
    """

    def run(self, batch: PanopticBatch, *, measured: bool = True) -> list[PanopticPrediction]:
        if "mask" not in batch:
            return super().run(batch, measured=measured)
        return [self._shift(batch, i) for i in range(len(batch["mask"]))]

    def _shift(self, batch: PanopticBatch, i: int) -> PanopticPrediction:
        height, width = batch["original_size"][i].tolist()
        true = batch["mask"][i, :height, :width]
        mask, segments = torch.zeros_like(true), []
        for number, info in enumerate(batch["segments"][i], start=1):
            inside = (true == info["id"]).roll(2, 1)
            if not info.get("iscrowd") and inside.any():
                label = 0 if info["category_id"] == 1 else info["category_id"]
                mask[inside] = number
                segments.append({"id": number, "category_id": label, "isthing": info["isthing"]})
        return {"mask": mask, "segments": segments}


def shifted_panoptic() -> ShiftedPanoptic:
    """The small model, which measures the panoptic quality alone."""
    torch.manual_seed(0)
    name, options = TINY["convnext"]
    return ShiftedPanoptic(
        name,
        CLASSES,
        backbone_options=options,
        head_options=SMALL,
        loss_options=SAMPLES,
        semantic=False,
        instances=False,
    )
