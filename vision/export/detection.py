"""Export graph of a detector: from images to a fixed number of slots for objects."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from vision.errors import ConfigError
from vision.export.canvas import usual_canvas
from vision.export.compare import Difference, compare_objects
from vision.export.graph import BATCH, Axes, Graph, GraphInput, image_sizes, input_type
from vision.ops.boxes import clip_boxes
from vision.tasks.detection import Detection

FIXED = {
    "batch": "its non-maximum suppression is traced for a fixed number of images",
    "size": "the number of candidates that a detector keeps per map depends on the map's size",
}
# Of detectors with queries.
FIXED_QUERIES = {"size": "a small image has fewer queries than a large one"}


class DetectionGraph(Graph):
    """A detector with its normalisation, thresholds and NMS, as they were saved.

    Args:
        task: The trained task.
        logits: Must be False: a detector has no logits to return.
        input_dtype: `"uint8"` or `"float32"`; values are 0..255 in both.

    Raises:
        ConfigError: Logits were requested.
    """

    kind = "detection"
    unordered = True

    def __init__(
        self, task: Detection, *, logits: bool = False, input_dtype: str = "uint8"
    ) -> None:
        if logits:
            raise ConfigError("a detector returns boxes, not logits; leave logits out.")
        mean, std = task.normalize.values
        axes: dict[str, Axes] = {
            "boxes": (BATCH, "objects", 4),
            "scores": (BATCH, "objects"),
            "labels": (BATCH, "objects"),
            "count": (BATCH,),
        }
        if task.head.has_masks:
            axes["masks"] = (BATCH, "objects", "mask_rows", "mask_columns")
        super().__init__(
            axes=axes,
            first=GraphInput(input_type(input_dtype), len(mean), False, mean, std),
            fixed=FIXED if task.head.suppresses else FIXED_QUERIES,
        )
        self.normalize, self.backbone = task.normalize, task.backbone
        self.neck, self.head = task.neck, task.head
        self.eval()

    def compare(
        self, found: Mapping[str, Tensor], source: Mapping[str, Tensor], *, tolerance: float
    ) -> list[Difference]:
        """Differences of objects, after matching them."""
        return compare_objects(found, source, tolerance=tolerance)

    def usual_size(self, preprocessing: Mapping[str, Any]) -> tuple[int, int] | None:
        """A square that holds every image, since an exported detector accepts one size."""
        return usual_canvas(preprocessing)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Map images `(B, C, H, W)` to `Detections`, boxes clipped to the image."""
        sizes = image_sizes(images)
        found = self.head(self.neck(self.backbone(self.normalize(images))), sizes)
        boxes = clip_boxes(found["boxes"].float(), sizes)
        outputs = {**found, "boxes": boxes, "scores": found["scores"].float()}
        return tuple(outputs[name] for name in self.axes)
