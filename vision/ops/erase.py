"""Random erasing of a whole batch at once, on its device."""

import math

import torch
from torch import Tensor

from vision.ops.tracing import is_traced

MIN_SHARE, MAX_SHARE = 0.02, 1 / 3  # of the image's area
MIN_RATIO = 0.3  # height over width, and its inverse the largest
ATTEMPTS = 10


def erase_random(images: Tensor, probability: float) -> Tensor:
    """Replace a random rectangle of some images by normal noise, a value for each pixel.

    "Random Erasing Data Augmentation", Zhong et al., 2020, algorithm 1, with the settings of the
    ImageNet recipes: one rectangle of 2 % to 33 % of the area, of a height-to-width ratio of 0.3 to
    3.3 (uniform in its logarithm), drawn again up to ten times until it is smaller than the image.

    Args:
        images: `(B, C, H, W)` float, normalised.
        probability: Probability for each image.

    Returns:
        The images, new where any is erased; random numbers are drawn on the images' device. On the
        CPU noise is drawn for the rectangles alone; elsewhere for all pixels, so that the host
        never waits for their sizes.
    """
    batch, _, height, width = images.shape
    random = torch.rand(4, batch, ATTEMPTS, device=images.device)
    area = height * width * (MIN_SHARE + (MAX_SHARE - MIN_SHARE) * random[0])
    ratio = torch.exp(math.log(MIN_RATIO) * (1 - 2 * random[1]))
    h, w = (area * ratio).sqrt().round(), (area / ratio).sqrt().round()  # (B, ATTEMPTS)
    fits = (h < height) & (w < width)
    # The first that fits; where none does, nothing is erased.
    first = fits.int().argmax(dim=1, keepdim=True)  # (B, 1)
    h, w, down, across = (values.gather(1, first) for values in (h, w, random[2], random[3]))
    top, left = (down * (height - h + 1)).floor(), (across * (width - w + 1)).floor()
    chosen = fits.any(dim=1, keepdim=True) & (
        torch.rand(batch, 1, device=images.device) < probability
    )
    if images.is_cpu and not is_traced():
        places = torch.cat([top, left, h, w], dim=1).long()  # (B, 4)
        return _erase_each(images, places.tolist(), chosen[:, 0].tolist())
    y = torch.arange(height, device=images.device)
    x = torch.arange(width, device=images.device)
    rows = (y >= top) & (y < top + h) & chosen  # (B, H)
    columns = (x >= left) & (x < left + w)  # (B, W)
    erased = rows[:, None, :, None] & columns[:, None, None, :]  # (B, 1, H, W)
    return torch.where(erased, torch.randn_like(images), images)


def _erase_each(images: Tensor, places: list[list[int]], chosen: list[bool]) -> Tensor:
    """Fill the rectangle (top, left, height, width) of each chosen image with noise."""
    if not any(chosen):
        return images
    erased = images.clone()
    for image, (top, left, height, width), is_chosen in zip(erased, places, chosen, strict=True):
        if is_chosen:
            # Drawn by itself: the same numbers in any order of memory.
            noise = torch.randn((len(image), height, width), dtype=images.dtype)
            image[:, top : top + height, left : left + width] = noise
    return erased
