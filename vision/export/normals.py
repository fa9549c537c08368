"""Export graph of a model of surface normals: from images to the normal of each pixel."""

from vision.export.dense import DenseGraph
from vision.export.graph import BATCH, HEIGHT, WIDTH


class NormalsGraph(DenseGraph):
    """A model of normals; its output `normals` is float32 `(B, 3, H, W)`, unit vectors.

    Args:
        task: As in `DenseGraph`.
        logits: As in `DenseGraph`.
        input_dtype: As in `DenseGraph`.
    """

    kind = "normals"
    axes_of = (BATCH, 3, HEIGHT, WIDTH)
