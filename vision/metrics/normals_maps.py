"""Angles between maps of normals as a task has them, for `vision.metrics.normals`."""

import numpy as np
from torch import Tensor

from vision.errors import DataError
from vision.metrics.normals import angles_between


def angles_of_maps(predicted: Tensor, target: Tensor, *, where: str = "") -> np.ndarray:
    """Angles of the pixels of one image that have a true normal.

    Args:
        predicted: float `(3, H, W)`, vectors of any length but 0.
        target: float `(3, H, W)`, likewise; zero where there is none.
        where: Name of the image, for messages.

    Returns:
        float64 in degrees, 0 to 180, one for each pixel that counts.

    Raises:
        DataError: The sizes differ, or a pixel that counts has no predicted normal.
    """
    if predicted.ndim != 3 or predicted.shape != target.shape:
        raise DataError(
            f"{where}: the prediction has the shape {tuple(predicted.shape)} and the target"
            f" {tuple(target.shape)}; both must have the height and width of the image."
        )
    try:
        return angles_between(_vectors(predicted), _vectors(target))
    except DataError as error:
        raise DataError(f"{where}: {error}") from error


def _vectors(normals: Tensor) -> np.ndarray:
    """float64 `(H, W, 3)` of length 1, NaN where it was 0."""
    vectors = normals.detach().cpu().double().permute(1, 2, 0).numpy()
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.divide(vectors, lengths, out=np.full_like(vectors, np.nan), where=lengths > 0)
