"""The training inputs of albumentations, of the same meaning as ours: read, decode, augment.

They decode by OpenCV. OpenCV has no antialiased bicubic filter: `cubic` takes the same four pixels
along each axis whatever the scale, which is less work than ours and aliases where it scales down;
`area` averages what a pixel covers. Each pipeline draws its own random numbers.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from vision.data.transforms.albumentations_rows import import_albumentations

Side = Callable[[str], Any]
JITTER = 0.4  # strength of brightness, contrast and saturation, ours too


def read(path: str) -> np.ndarray:
    """A file as uint8 `(H, W, 3)` RGB."""
    import cv2

    pixels = cv2.imread(path, cv2.IMREAD_COLOR_RGB)
    if pixels is None:
        raise FileNotFoundError(path)
    return pixels


def crop_side(size: int, filter_name: Literal["cubic", "area"], *, jitter: bool = False) -> Side:
    """A random crop, resized to a square, and flipped; with `jitter` its colours change.

    Args:
        size: Side of the square in pixels.
        filter_name: OpenCV's filter of the resize.
        jitter: Whether brightness, contrast and saturation change.
    """
    library, cv2 = _packages()
    filters = {"cubic": cv2.INTER_CUBIC, "area": cv2.INTER_AREA}
    steps = [
        library.RandomResizedCrop((size, size), interpolation=filters[filter_name]),
        library.HorizontalFlip(p=0.5),
    ]
    if jitter:
        span = (1 - JITTER, 1 + JITTER)
        steps.append(library.ColorJitter(span, span, span, hue=(0, 0), p=1.0))
    change = library.Compose([*steps, library.ToTensorV2()])
    return lambda path: change(image=read(path))["image"]


def segmentation_side(mask_of: Callable[[str], str], *, photometric: bool = True) -> Side:
    """A scale of 0.5 to 2, a crop of 512 x 512, flips and distorted colours, with a mask.

    Without the limit on the share of one class in the crop, for which ours tries again.

    Args:
        mask_of: The mask of an image file, whose label 0 is ignored.
        photometric: Whether brightness, contrast, hue and saturation change.
    """
    library, cv2 = _packages()
    steps = [
        library.RandomScale((-0.5, 1.0), p=1.0),
        library.PadIfNeeded(512, 512, fill_mask=255),
        library.RandomCrop(512, 512),
        library.HorizontalFlip(p=0.5),
    ]
    if photometric:
        steps += [
            library.RandomBrightnessContrast(brightness_limit=32 / 255, contrast_limit=0.5, p=0.5),
            library.HueSaturationValue(18, 30, 0, p=0.5),
        ]
    change = library.Compose([*steps, library.ToTensorV2()])

    def make(path: str) -> Any:
        labels = cv2.imread(mask_of(path), cv2.IMREAD_UNCHANGED)
        return change(image=read(path), mask=labels - np.uint8(1))  # 0 becomes 255

    return make


def detection_side(
    boxes: np.ndarray,
    labels: np.ndarray,
    draw_masks: Callable[[], list[np.ndarray]],
    short_sides: Sequence[int],
) -> Side:
    """A short side of random length and flips, with boxes and masks.

    Args:
        boxes: `(N, 4)` xyxy in pixels.
        labels: `(N,)`.
        draw_masks: Makes the N masks of the whole image, uint8 `(H, W)`.
        short_sides: Lengths in pixels.
    """
    library, _ = _packages()
    steps = [library.SmallestMaxSize(max_size=list(short_sides)), library.HorizontalFlip(p=0.5)]
    change = library.Compose(
        [*steps, library.ToTensorV2()],
        bbox_params=library.BboxParams("pascal_voc", label_fields=["labels"]),
    )
    return lambda path: change(image=read(path), masks=draw_masks(), bboxes=boxes, labels=labels)


def _packages() -> tuple[Any, Any]:
    """The two libraries; OpenCV computes in this thread alone."""
    albumentations = import_albumentations()
    import cv2

    cv2.setNumThreads(0)
    return albumentations, cv2
