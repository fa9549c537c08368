"""Arrays of pixels as images."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vision.data.images.read import convert_image
from vision.errors import ImageError


def array_to_image(array: np.ndarray) -> Tensor:
    """Convert an array of pixels to an image.

    Args:
        array: `(H, W)` or `(H, W, 1)` grey, `(H, W, 3)` RGB or `(H, W, 4)` RGBA on
            white; bool, uint8, uint16, or floats in 0..1.

    Returns:
        uint8 `(3, H, W)` RGB, a copy.

    Raises:
        ImageError: Shape, type or values do not fit.
    """
    shape = array.shape
    if len(shape) not in (2, 3) or 0 in shape or (len(shape) == 3 and shape[2] not in (1, 3, 4)):
        raise ImageError(
            f"an array of shape {shape} is not an image: expected (H, W), (H, W, 3) RGB or "
            "(H, W, 4) RGBA. Give several images as a list, or as a tensor (B, 3, H, W)."
        )
    pixels = _to_8_bits(array)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if pixels.ndim == 3 and pixels.shape[2] == 3:
        return torch.from_numpy(pixels.transpose(2, 0, 1).copy())
    return convert_image(Image.fromarray(np.ascontiguousarray(pixels)))


def _to_8_bits(array: np.ndarray) -> np.ndarray:
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * 255
    if array.dtype == np.uint16:
        return np.rint(array.astype(np.float64) * (255 / 65535)).astype(np.uint8)
    if not np.issubdtype(array.dtype, np.floating):
        raise ImageError(
            f"an array of {array.dtype} is not an image: expected uint8, uint16, or floats in 0..1."
        )
    low, high = float(array.min()), float(array.max())
    if not (low >= 0 and high <= 1):  # NaN is neither
        raise ImageError(
            f"an array of floats from {low:g} to {high:g} is not an image: expected 0..1. Divide "
            "values in 0..255 by 255, or make them uint8."
        )
    return np.rint(array.astype(np.float64) * 255).astype(np.uint8)
