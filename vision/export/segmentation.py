"""Export graph of a segmentor: from images to the class of each pixel."""

from torch import Tensor

from vision.export.backbone import fixed_axes
from vision.export.graph import BATCH, HEIGHT, WIDTH, Axes, Graph, GraphInput, input_type
from vision.ops.interpolation import resize_bilinear
from vision.tasks.segmentation import Segmentation


class SegmentationGraph(Graph):
    """A segmentor with its normalisation, on whole images.

    Sliding windows, several scales and flips are left to the caller.

    Args:
        task: The trained task.
        logits: Whether to output the logits instead of the classes.
        input_dtype: `"uint8"` or `"float32"`; values are 0..255 in both.
    """

    kind = "segmentation"

    def __init__(
        self, task: Segmentation, *, logits: bool = False, input_dtype: str = "uint8"
    ) -> None:
        mean, std = task.normalize.values
        axes: dict[str, Axes] = {"labels": (BATCH, HEIGHT, WIDTH)}
        if logits:
            axes = {"logits": (BATCH, task.num_classes or 0, HEIGHT, WIDTH)}
        super().__init__(
            axes=axes,
            first=GraphInput(input_type(input_dtype), len(mean), False, mean, std),
            fixed=fixed_axes(task.backbone, embeds=False),
        )
        self.normalize, self.backbone = task.normalize, task.backbone
        self.neck, self.head, self.logits = task.neck, task.head, logits
        self.eval()

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Map images `(B, C, H, W)` to classes int64 `(B, H, W)`, or to logits `(B, K, H, W)`."""
        logits = self.head(self.neck(self.backbone(self.normalize(images))))["logits"].float()
        size = (images.shape[2], images.shape[3])
        logits = resize_bilinear(logits, size, align_corners=self.head.align_corners)
        return (logits,) if self.logits else (logits.argmax(dim=1),)
