"""Sizes of image files, read from their headers."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from vision.data.images.jpeg import BROKEN
from vision.data.images.read import FORMATS
from vision.errors import ImageError
from vision.ops.image_limits import check_pixels, pillow_refusal
from vision.reading import MAX_IMAGE_BYTES, open_file

# The orientations in EXIF (2.32, tag 0x0112) that swap rows and columns.
SWAPPED = (5, 6, 7, 8)
THREADS = 8


def read_size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Height and width that `read_image` would give, without decoding.

    Raises:
        ImageError: The file is absent, or its header cannot be read.
    """
    try:
        with (
            open_file(path, max_bytes=MAX_IMAGE_BYTES, what="image", error=ImageError) as file,
            Image.open(file, formats=FORMATS) as image,
        ):
            width, height = image.size
            check_pixels(height, width, f"image '{path}'")
            # Pillow turns a TIFF by itself.
            turned = image.format != "TIFF" and _orientation(image) in SWAPPED
            return (width, height) if turned else (height, width)
    except ImageError:
        raise
    except UnidentifiedImageError:
        what = "is empty (0 bytes)" if not os.path.getsize(path) else "is not an image"
        raise ImageError(
            f"'{path}' {what}; copy or download it again. Formats that are read: "
            f"{', '.join(FORMATS)}."
        ) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(pillow_refusal(f"image '{path}'", error)) from None
    except BROKEN as error:
        reason = str(error).partition("\n")[0].rstrip(".") or type(error).__name__
        raise ImageError(f"image '{path}' cannot be read: {reason}.") from error


def read_sizes(paths: Sequence[str], report: Callable[[str], Any]) -> np.ndarray:
    """Sizes of many images.

    Args:
        paths: The files.
        report: Called with the problem of a file; its size is then (0, 0).

    Returns:
        int32 `(N, 2)`, heights and widths.
    """

    def read(path: str) -> tuple[int, int] | ImageError:
        try:
            return read_size(path)
        except ImageError as error:
            return error

    sizes = np.zeros((len(paths), 2), dtype=np.int32)
    # Most of the time is spent waiting for the disk, above all a remote one.
    with ThreadPoolExecutor(THREADS) as pool:
        for i, size in enumerate(pool.map(read, paths)):
            if isinstance(size, ImageError):
                report(str(size))
            else:
                sizes[i] = size
    return sizes


def _orientation(image: Image.Image) -> int:
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1)
    except BROKEN:
        return 1
