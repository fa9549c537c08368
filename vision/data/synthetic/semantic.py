"""Scenes as semantic masks: the class of every pixel, and the pixels that are left without one."""

import numpy as np

from vision.data.synthetic.scenes import WORDS, Scene
from vision.data.synthetic.textures import TEXTURES

# A few cells of smooth noise and a gradient look alike in any part of an image: one class.
_KINDS = {"noise": "smooth", "stripes": "stripes", "checks": "checks", "gradient": "smooth"}
CLASSES = (*WORDS, *dict.fromkeys(_KINDS.values()))
_BACKGROUNDS = [CLASSES.index(_KINDS[texture]) for texture in TEXTURES]
UNLABELLED = 255
# Annotators leave a seam around clumps whose parts they do not tell apart.
SEAM = 2  # pixels
# Of the scenes, a share has a patch of background that nobody labelled.
SHARE_PATCHED = 0.15
PATCH_SIDES = (0.15, 0.4)  # of the height and of the width


def class_map(scene: Scene) -> np.ndarray:
    """The class of each pixel.

    Args:
        scene: The scene.

    Returns:
        uint8 `(H, W)` index into `CLASSES`: of the topmost object, 0 to 9, crowds like others;
        elsewhere of the kind of the background, 10 to 12.
    """
    labels = np.full(scene.image.shape[:2], _BACKGROUNDS[scene.texture], np.uint8)
    for item in scene.objects:
        labels[item.mask] = item.label
    return labels


def unlabelled_region(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """Choose where the background has no class, as annotators leave some out.

    These are a seam around crowds and, in some scenes, a rectangle.

    Args:
        scene: The scene.
        rng: Source of every choice.

    Returns:
        bool `(H, W)`; objects lie over it, whose pixels keep their class.
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
    """Take the class from the background of a region.

    Args:
        labels: uint8 `(H, W)`, as `class_map` makes it; it is left as it is.
        region: bool `(H, W)`.

    Returns:
        uint8 `(H, W)` with `UNLABELLED` there.
    """
    return np.where(region & (labels >= len(WORDS)), np.uint8(UNLABELLED), labels)


def grow(mask: np.ndarray, pixels: int) -> np.ndarray:
    """A bool mask `(H, W)` and what lies within some pixels of it, sideways, up, down, aslant."""
    from PIL import Image, ImageFilter

    picture = Image.fromarray(mask.astype(np.uint8))
    return np.asarray(picture.filter(ImageFilter.MaxFilter(2 * pixels + 1))).astype(bool)
