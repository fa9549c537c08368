"""Semantic masks of scenes: the class of every pixel, and unlabelled pixels."""

import numpy as np

from vision.data.synthetic.scenes import WORDS, Scene
from vision.data.synthetic.textures import TEXTURES

# Smooth noise and gradients look alike in any part of an image: one class.
_KINDS = {"noise": "smooth", "stripes": "stripes", "checks": "checks", "gradient": "smooth"}
CLASSES = (*WORDS, *dict.fromkeys(_KINDS.values()))
_BACKGROUNDS = [CLASSES.index(_KINDS[texture]) for texture in TEXTURES]
UNLABELLED = 255
# Annotators leave a seam around crowds.
SEAM = 2  # pixels
# Share of the scenes with an unlabelled patch of background.
SHARE_PATCHED = 0.15
PATCH_SIDES = (0.15, 0.4)  # of the height and of the width


def class_map(scene: Scene) -> np.ndarray:
    """The class of each pixel.

    Args:
        scene: The scene.

    Returns:
        uint8 `(H, W)` index into `CLASSES`: the topmost object, 0 to 9, also for crowds; elsewhere
        the kind of the background, 10 to 12.
    """
    labels = np.full(scene.image.shape[:2], _BACKGROUNDS[scene.texture], np.uint8)
    for item in scene.objects:
        labels[item.mask] = item.label
    return labels


def unlabelled_region(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """Choose an unlabelled region of the background, as annotators leave some out.

    It is a seam around crowds and, in some scenes, a rectangle.

    Args:
        scene: The scene.
        rng: Source of every choice.

    Returns:
        bool `(H, W)`; objects on it keep their class.
    """
    rows, columns = scene.image.shape[:2]
    region = np.zeros((rows, columns), bool)
    for item in scene.objects:
        if item.crowd:
            region |= grow(item.whole, SEAM)
    if rng.random() < SHARE_PATCHED:
        height, width = (round(side * rng.uniform(*PATCH_SIDES)) for side in (rows, columns))
        top = int(rng.integers(rows - height + 1))
        left = int(rng.integers(columns - width + 1))
        region[top : top + height, left : left + width] = True
    return region


def leave_unlabelled(labels: np.ndarray, region: np.ndarray) -> np.ndarray:
    """Remove the class from the background of a region.

    Args:
        labels: uint8 `(H, W)` from `class_map`; it is not changed.
        region: bool `(H, W)`.

    Returns:
        uint8 `(H, W)`, `UNLABELLED` in the region's background.
    """
    return np.where(region & (labels >= len(WORDS)), np.uint8(UNLABELLED), labels)


def grow(mask: np.ndarray, pixels: int) -> np.ndarray:
    """Dilate a bool mask `(H, W)` by some pixels in all eight directions."""
    from PIL import Image, ImageFilter

    picture = Image.fromarray(mask.astype(np.uint8))
    return np.asarray(picture.filter(ImageFilter.MaxFilter(2 * pixels + 1))).astype(bool)
