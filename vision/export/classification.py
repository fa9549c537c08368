"""Export graph of a classifier: from images to probabilities."""

from torch import Tensor

from vision.export.backbone import fixed_axes
from vision.export.graph import BATCH, Axes, Graph, GraphInput, input_type
from vision.tasks.classification import Classification


class ClassificationGraph(Graph):
    """A classifier with its normalisation and softmax.

    Args:
        task: The trained task.
        logits: Whether to output the values before the softmax too.
        input_dtype: `"uint8"` or `"float32"`; values are 0..255 in both.
    """

    kind = "classification"
    one_size = True

    def __init__(
        self, task: Classification, *, logits: bool = False, input_dtype: str = "uint8"
    ) -> None:
        shape: Axes = (BATCH, task.num_classes or 0)
        mean, std = task.normalize.values
        super().__init__(
            axes={"scores": shape, **({"logits": shape} if logits else {})},
            first=GraphInput(input_type(input_dtype), len(mean), False, mean, std),
            fixed=fixed_axes(task.backbone, embeds=True),
        )
        self.normalize, self.backbone, self.head = task.normalize, task.backbone, task.head
        self.logits = logits
        self.eval()

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Map images `(B, C, H, W)` to scores `(B, K)`, and logits `(B, K)` if requested."""
        logits = self.head(self.backbone.embed(self.normalize(images)))["logits"].float()
        scores = self.probabilities(logits)
        return (scores, logits) if self.logits else (scores,)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Map logits `(B, K)` to probabilities that sum to one."""
        return logits.softmax(dim=-1)
