"""A model for semantic segmentation as a program: images in, the class of each pixel out."""

from torch import Tensor

from vision.export.backbone import fixed_axes
from vision.export.graph import BATCH, HEIGHT, WIDTH, Axes, Graph, GraphInput, input_type
from vision.ops.interpolation import resize_bilinear
from vision.tasks.segmentation import Segmentation


class SegmentationGraph(Graph):
    """A model for segmentation with its normalisation; it takes the image whole.

    Windows, several scales and mirror images are left to the caller.

    Args:
        task: The trained task.
        logits: Whether the logits are the output in place of the classes.
        input_dtype: `"uint8"` or `"float32"`, of values 0..255.
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
            images=GraphInput(input_type(input_dtype), len(mean), False, mean, std),
            fixed=fixed_axes(task.backbone, embeds=False),
        )
        self.normalize, self.backbone = task.normalize, task.backbone
        self.neck, self.head, self.logits = task.neck, task.head, logits
        self.eval()

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Class int64 `(B, H, W)`, or logits `(B, K, H, W)`, of images `(B, C, H, W)`."""
        logits = self.head(self.neck(self.backbone(self.normalize(images))))["logits"].float()
        size = (images.shape[2], images.shape[3])
        logits = resize_bilinear(logits, size, align_corners=self.head.align_corners)
        return (logits,) if self.logits else (logits.argmax(dim=1),)
