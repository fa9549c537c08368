"""Random changes of brightness, contrast and saturation."""

import numpy as np

from vision.data.transforms.operators import (
    brightness_table,
    contrast_table,
    look_up,
    saturation,
)
from vision.data.transforms.rng import SampleRng


class ColorJitter:
    """Changes brightness, contrast and saturation, in random order.

    The factor of each is uniform in [1 - strength, 1 + strength], as in torchvision's transform of
    this name without hue.

    Args:
        strength: Largest change of a factor, in [0, 1].
    """

    def __init__(self, strength: float) -> None:
        self.strength = strength

    def __call__(self, image: np.ndarray, rng: SampleRng) -> np.ndarray:
        """Change an image, uint8 `(3, H, W)` in contiguous planes; the input is not changed."""
        changes = ["brightness", "contrast", "saturation"]
        table = None  # what the last changes make of each value, where they have not been made yet
        while changes:
            change = changes.pop(rng.below(len(changes)))
            factor = rng.uniform(1 - self.strength, 1 + self.strength)
            if change == "brightness":
                own = brightness_table(factor)
                table = own if table is None else own[table]
                continue
            if table is not None:
                image, table = look_up(image, table), None
            if change == "contrast":
                table = contrast_table(image, factor)
            else:
                image = saturation(image, factor)
        return image if table is None else look_up(image, table)
