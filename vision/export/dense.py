"""Export graphs of models of depth and of surface normals: from images to the values of pixels."""

from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F

from vision.errors import ConfigError
from vision.export.backbone import fixed_axes
from vision.export.graph import Axes, Graph, GraphInput, input_type
from vision.heads.depth.dpt import DPTHead
from vision.ops.interpolation import resize_by_width
from vision.tasks.dense import DenseTask

FIXED = "maps whose width is an odd number of cells are resized by another rule"


class DenseGraph(Graph):
    """A model with its normalisation, on whole images.

    The mean with the mirrored image, and tiles, are left to the caller.

    Args:
        task: The trained task.
        logits: Not for these models.
        input_dtype: `"uint8"` or `"float32"`; values are 0..255 in both.

    Raises:
        ConfigError: `logits` is set.
    """

    axes_of: ClassVar[Axes]

    def __init__(
        self, task: DenseTask, *, logits: bool = False, input_dtype: str = "uint8"
    ) -> None:
        if logits:
            raise ConfigError(
                f"a {type(task).__name__} has no logits: its output is {task.key} already. Leave "
                "--logits out."
            )
        mean, std = task.normalize.values
        super().__init__(
            axes={task.key: self.axes_of},
            first=GraphInput(input_type(input_dtype), len(mean), False, mean, std),
            fixed=fixed_axes(task.backbone, embeds=False),
        )
        # Its maps have an even width for images of any size.
        self.even = isinstance(task.head, DPTHead)
        if not self.even:
            self.fixed["size"] = FIXED
        self.normalize, self.backbone = task.normalize, task.backbone
        self.neck, self.head = task.neck, task.head
        self.readout, self.unpack = task.readout, task.unpack
        self.eval()

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Map images `(B, C, H, W)` to the values of their pixels."""
        values = self.head(self.neck(self.backbone(self.normalize(images))))["values"]
        size = (images.shape[2], images.shape[3])
        if self.even:
            # Equal sizes are resized too: whether they are equal depends on the size.
            values = F.interpolate(values, size, mode="bilinear", align_corners=False)
        else:
            values = resize_by_width(values, size)
        return (self.unpack(self.readout.finish(values)),)
