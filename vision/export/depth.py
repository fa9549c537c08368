"""Export graph of a depth estimator: from images to the depth of each pixel."""

from vision.export.dense import DenseGraph
from vision.export.graph import BATCH, HEIGHT, WIDTH


class DepthGraph(DenseGraph):
    """A depth estimator; its output `depth` is float32 `(B, H, W)` in metres.

    Args:
        task: As in `DenseGraph`.
        logits: As in `DenseGraph`.
        input_dtype: As in `DenseGraph`.
    """

    kind = "depth"
    axes_of = (BATCH, HEIGHT, WIDTH)
