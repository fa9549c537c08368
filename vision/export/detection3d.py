"""Export graph of a detector of boxes in space: from images and cameras to places for objects."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from vision.contracts.boxes3d import YAW
from vision.errors import ConfigError
from vision.export.backbone import fixed_axes
from vision.export.compare import MAX_UNMATCHED, Difference, compare_objects
from vision.export.graph import BATCH, Axes, Graph, GraphInput, SideInput, image_sizes, input_type
from vision.ops.boxes import clip_boxes
from vision.tasks.detection3d import Detection3D

# Focal length of the cameras that programs are traced with, over the width of the image.
FOCAL = 0.6


def example_camera(size: tuple[int, ...]) -> Tensor:
    """The projection `(3, 4)` of a camera that looks through the middle of an image."""
    height, width = size
    focal = FOCAL * width
    rows = [[focal, 0.0, width / 2, 0.0], [0.0, focal, height / 2, 0.0], [0.0, 0.0, 1.0, 0.0]]
    return torch.tensor(rows)


INPUTS = (
    SideInput(
        name="cameras",
        key="camera",
        dtype=torch.float32,
        shape=(3, 4),
        values="projection of x right, y down, z ahead in metres to pixels of the original image",
        example=example_camera,
    ),
    SideInput(
        name="sizes",
        key="camera_size",
        dtype=torch.int64,
        shape=(2,),
        values="height and width of the original image in pixels",
        example=torch.tensor,
    ),
)


class Detection3DGraph(Graph):
    """A detector of boxes in space with its normalisation, decoded up to boxes.

    Its inputs are images, the cameras of the original images, and the sizes of these.

    Args:
        task: The trained task.
        logits: Must be False: a detector has no logits to return.
        input_dtype: `"uint8"` or `"float32"`; values are 0..255 in both.

    Raises:
        ConfigError: Logits were requested.
    """

    kind = "detection3d"
    unordered = True
    one_size = True

    def __init__(
        self, task: Detection3D, *, logits: bool = False, input_dtype: str = "uint8"
    ) -> None:
        if logits:
            raise ConfigError("a detector returns boxes, not logits; leave logits out.")
        mean, std = task.normalize.values
        axes: dict[str, Axes] = {
            "boxes3d": (BATCH, "objects", 7),
            "boxes": (BATCH, "objects", 4),
            "alpha": (BATCH, "objects"),
            "scores": (BATCH, "objects"),
            "class_scores": (BATCH, "objects"),
            "labels": (BATCH, "objects"),
            "count": (BATCH,),
        }
        super().__init__(
            axes=axes,
            first=GraphInput(input_type(input_dtype), len(mean), False, mean, std),
            fixed=fixed_axes(task.backbone, embeds=False),
            beside=INPUTS,
        )
        self.normalize, self.backbone = task.normalize, task.backbone
        self.neck, self.head = task.neck, task.head
        self.eval()

    def compare(
        self, found: Mapping[str, Tensor], source: Mapping[str, Tensor], *, tolerance: float
    ) -> list[Difference]:
        """Differences of what is in all places, after matching it, and of how many count."""
        differences = compare_objects(_all_places(found), _all_places(source), tolerance=tolerance)
        if "count" in found:
            unlike = int((found["count"] - source["count"]).abs().sum())
            share = unlike / max(1, int(source["count"].sum()))
            differences.append(Difference("count (share unequal)", share, share, MAX_UNMATCHED))
        return differences

    def forward(self, images: Tensor, cameras: Tensor, sizes: Tensor) -> tuple[Tensor, ...]:
        """Map images to `MonocularDetections`, 2-D boxes clipped to the original image.

        Args:
            images: `(B, C, H, W)`.
            cameras: float32 `(B, 3, 4)` projection to pixels of each original image.
            sizes: int64 `(B, 2)` height and width of each original image.
        """
        own = image_sizes(images)
        features = self.neck(self.backbone(self.normalize(images)))
        outputs = self.head(features, cameras, own, sizes)
        found = self.head.decode(outputs, self.head.views(cameras, own, sizes))
        clipped: dict[str, Any] = {**found, "boxes": clip_boxes(found["boxes"], sizes)}
        return tuple(clipped[name] for name in self.axes)


def _all_places(outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The outputs with all places counted, and angles as points on a circle.

    An angle of nearly half a turn may be written as one of minus half a turn.
    """
    whole = dict(outputs)
    if "count" in whole and "labels" in whole:
        whole["count"] = torch.full_like(whole["count"], whole["labels"].shape[1])
    if "alpha" in whole:
        whole["alpha"] = _on_circle(whole["alpha"])
    if "boxes3d" in whole:
        boxes = whole["boxes3d"]
        whole["boxes3d"] = boxes[..., :YAW]
        whole["yaw"] = _on_circle(boxes[..., YAW])
    return whole


def _on_circle(angles: Tensor) -> Tensor:
    return torch.stack([angles.cos(), angles.sin()], dim=-1)
