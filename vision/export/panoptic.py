"""Export graph of a panoptic model: from images to the queries that each pixel belongs to."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from vision.export.backbone import fixed_axes
from vision.export.canvas import usual_canvas
from vision.export.compare import Difference, compare_assigned
from vision.export.graph import BATCH, HEIGHT, WIDTH, Axes, Graph, GraphInput, input_type
from vision.ops.interpolation import resize_bilinear
from vision.ops.panoptic_merge import CONFIDENCE_THRESHOLD
from vision.tasks.panoptic import PanopticSegmentation

FIXED = "maps whose sides are odd numbers of cells are resized by another rule"
# Size of the probabilities of a strip of rows. Nothing of queries x pixels is held at once.
STRIP_BYTES = 64 * 2**20


class PanopticGraph(Graph):
    """A panoptic model with its normalisation, up to outputs for each pixel.

    Segments are merged outside, by `vision.ops.panoptic_merge.merge_outputs`, which needs NumPy
    alone, and which is told which part of an image is no padding.

    Args:
        task: The trained task.
        logits: Whether to output the logits of classes and masks instead.
        input_dtype: `"uint8"` or `"float32"`; values are 0..255 in both.
    """

    kind = "panoptic"

    def __init__(
        self, task: PanopticSegmentation, *, logits: bool = False, input_dtype: str = "uint8"
    ) -> None:
        mean, std = task.normalize.values
        axes: dict[str, Axes] = {
            "queries": (BATCH, "places", HEIGHT, WIDTH),
            "shares": (BATCH, "places", HEIGHT, WIDTH),
            "class_probabilities": (BATCH, "all_queries", task.num_classes),
        }
        if logits:
            axes = {
                "class_logits": (BATCH, "all_queries", task.num_classes + 1),
                "mask_logits": (BATCH, "all_queries", "mask_rows", "mask_columns"),
            }
        super().__init__(
            axes=axes,
            first=GraphInput(input_type(input_dtype), len(mean), False, mean, std),
            fixed={**fixed_axes(task.backbone, embeds=False), "size": FIXED},
        )
        self.normalize, self.backbone = task.normalize, task.backbone
        self.neck, self.head, self.logits = task.neck, task.head, logits
        self.eval()

    def compare(
        self, found: Mapping[str, Tensor], source: Mapping[str, Tensor], *, tolerance: float
    ) -> list[Difference]:
        """Mean differences, since cells whose two best queries tie may be assigned to either."""
        return compare_assigned(found, source, tolerance=tolerance)

    def usual_size(self, preprocessing: Mapping[str, Any]) -> tuple[int, int] | None:
        """The canvas of evaluation; without one, a square that holds every image."""
        canvas = preprocessing.get("canvas")
        return usual_canvas(preprocessing) if canvas is None else (int(canvas[0]), int(canvas[1]))

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Map images `(B, C, H, W)` to queries, shares and classes, or to the logits.

        Returns:
            int32 `(B, T, H, W)` the queries that each pixel belongs to, -1 for none; float
            `(B, T, H, W)` the probability of each; float `(B, N, K)` the classes of the queries,
            without "no object".
        """
        outputs = self.head(self.neck(self.backbone(self.normalize(images))))
        classes, masks = outputs["class_logits"].float(), outputs["mask_logits"].float()
        if self.logits:
            return classes, masks
        queries, shares = best_queries(masks, (images.shape[2], images.shape[3]))
        return queries, shares, classes.softmax(dim=-1)[..., :-1]


def best_queries(mask_logits: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """The queries that the pixels of images belong to, as `vision.ops.cluster_maps` assigns them.

    Args:
        mask_logits: float `(B, N, h, w)`.
        size: Height H and width W of the images.

    Returns:
        int32 `(B, T, H, W)`, -1 where there are fewer, and the probability of each, in [0, 1].
    """
    height, width = size
    aligned = bool(width % 2 == 1)
    count = mask_logits.shape[1]
    places = min(math.ceil(1 / CONFIDENCE_THRESHOLD) - 1, count)
    # A bilinear resize is that of the rows and then that of the columns.
    tall = resize_bilinear(
        mask_logits, (height, mask_logits.shape[3]), align_corners=aligned
    )  # (B, N, H, w)
    step = max(STRIP_BYTES // (4 * int(count) * int(width)), 1)
    found = []
    for start in range(0, int(height), step):
        strip = tall[:, :, start : start + step]
        wide = resize_bilinear(strip, (strip.shape[2], width), align_corners=aligned)
        found.append(wide.softmax(dim=1).topk(places, dim=1))
    shares = torch.cat([strip.values for strip in found], dim=2)
    queries = torch.cat([strip.indices for strip in found], dim=2).to(torch.int32)
    return queries.masked_fill(shares <= CONFIDENCE_THRESHOLD, -1), shares
