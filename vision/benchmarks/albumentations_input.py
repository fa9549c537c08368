"""The training inputs of albumentations, of the same meaning as ours: read, decode, augment.

They decode by OpenCV, and resize by its filters, none of which is antialiased but `area`. Each
pipeline draws its own random numbers. Images end as views of interleaved pixels, which their batch
keeps. With `whole`, or `scale` and without flips, a pipeline draws nothing: its images are compared
with ours.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from vision.benchmarks.input_rows import Make
from vision.data.transforms.albumentations_rows import import_albumentations

Filter = Literal["cubic", "area"]
JITTER = 0.4  # strength of brightness, contrast and saturation, ours too


def read(path: str) -> np.ndarray:
    """A file as uint8 `(H, W, 3)` RGB."""
    import cv2

    pixels = cv2.imread(path, cv2.IMREAD_COLOR_RGB)
    if pixels is None:
        raise FileNotFoundError(path)
    return pixels


def crop_side(size: int, filter_name: Filter, *, jitter: bool = False, whole: bool = False) -> Make:
    """A random crop, resized to a square, and flipped; with `jitter` its colours change.

    Args:
        size: Side of the square in pixels.
        filter_name: OpenCV's filter of the resize.
        jitter: Whether brightness, contrast and saturation change.
        whole: Whether the crop is the whole image, which has to be 4 : 3, and is not flipped.
    """
    library, cv2 = _packages()
    filters = {"cubic": cv2.INTER_CUBIC, "area": cv2.INTER_AREA}
    options: dict[str, Any] = {"interpolation": filters[filter_name]}
    if whole:
        options |= {"scale": (1.0, 1.0), "ratio": (4 / 3, 4 / 3)}
    steps = [library.RandomResizedCrop((size, size), **options)]
    if not whole:
        steps.append(library.HorizontalFlip(p=0.5))
    if jitter:
        span = (1 - JITTER, 1 + JITTER)
        steps.append(library.ColorJitter(span, span, span, hue=(0, 0), p=1.0))
    change = library.Compose([*steps, library.ToTensorV2()])
    return lambda path: change(image=read(path))["image"]


def segmentation_side(
    mask_of: Callable[[str], str],
    *,
    photometric: bool = True,
    scale: float | None = None,
) -> Make:
    """A scale of 0.5 to 2, a crop of 512 x 512, flips and distorted colours, with a mask.

    Brightness, contrast, hue and saturation change with a probability of one half each, in a fixed
    order; saturation is added to, where ours multiplies it. There is no limit on the share of one
    class in the crop.

    Args:
        mask_of: The mask of an image file, whose label 0 is ignored.
        photometric: Whether the colours change.
        scale: The only scale, without crop and flips; None for all.

    Returns:
        Makes an image `(3, H, W)` and its mask `(H, W)`.
    """
    library, cv2 = _packages()
    limits = (-0.5, 1.0) if scale is None else (scale - 1, scale - 1)
    steps = [library.RandomScale(limits, p=1.0)]
    if scale is None:
        steps += [
            library.PadIfNeeded(512, 512, fill_mask=255),
            library.RandomCrop(512, 512),
            library.HorizontalFlip(p=0.5),
        ]
    if photometric:
        steps += [
            library.RandomBrightnessContrast(brightness_limit=32 / 255, contrast_limit=0, p=0.5),
            library.RandomBrightnessContrast(brightness_limit=0, contrast_limit=0.5, p=0.5),
            library.HueSaturationValue(0, 60, 0, p=0.5),
            library.HueSaturationValue(18, 0, 0, p=0.5),
        ]
    change = library.Compose([*steps, library.ToTensorV2()])

    def make(path: str) -> tuple[Tensor, Tensor]:
        labels = cv2.imread(mask_of(path), cv2.IMREAD_UNCHANGED)
        changed = change(image=read(path), mask=labels - np.uint8(1))  # 0 becomes 255
        return changed["image"], changed["mask"]

    return make


def detection_side(
    boxes: np.ndarray,
    labels: np.ndarray,
    draw_masks: Callable[[], list[np.ndarray]],
    short_sides: Sequence[int],
    *,
    hflip: float = 0.5,
) -> Make:
    """A short side of random length and flips, with boxes and masks.

    Args:
        boxes: `(N, 4)` xyxy in pixels.
        labels: `(N,)`.
        draw_masks: Makes the N masks of the whole image, uint8 `(H, W)`.
        short_sides: Lengths in pixels.
        hflip: Probability of a flip.

    Returns:
        Makes `image`, `bboxes`, `labels` and `masks`.
    """
    library, _ = _packages()
    steps = [library.SmallestMaxSize(max_size=list(short_sides)), library.HorizontalFlip(p=hflip)]
    change = library.Compose(
        [*steps, library.ToTensorV2()],
        bbox_params=library.BboxParams("pascal_voc", label_fields=["labels"]),
    )
    return lambda path: change(image=read(path), masks=draw_masks(), bboxes=boxes, labels=labels)


def _packages() -> tuple[Any, Any]:
    """The two libraries; OpenCV computes by as many threads as PyTorch."""
    albumentations = import_albumentations()
    import cv2

    cv2.setNumThreads(torch.get_num_threads())
    return albumentations, cv2
