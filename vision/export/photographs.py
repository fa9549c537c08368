"""Photographs to compare exported programs on."""

import io
import os
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from vision.errors import ImageError
from vision.ops.image_limits import check_pixels
from vision.reading import MAX_IMAGE_BYTES, read_file

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
FORMATS = ("JPEG", "PNG", "BMP", "WEBP")


def real_images(
    size: tuple[int, int],
    count: int,
    source: str | os.PathLike[str] | None = None,
    *,
    channels: int = 3,
) -> Tensor:
    """Load photographs, resized.

    Args:
        size: Height and width.
        count: Number of images; flipped and repeated images make up the number.
        source: An image, or a folder of images; None uses a photograph of scikit-learn.
        channels: Number of channels; beyond three they repeat.

    Returns:
        uint8 `(count, channels, H, W)`.

    Raises:
        ImageError: No image was found, or it cannot be read.
    """
    photographs = [_photograph()] if source is None else _read(Path(source), count)
    resized = []
    for i in range(count):
        pixels = photographs[i % len(photographs)].float()[None]
        pixels = F.interpolate(pixels, size=size, mode="bilinear", antialias=True)
        pixels = pixels.flip(-1) if i // len(photographs) % 2 else pixels
        resized.append(pixels.round().clamp(0, 255).to(torch.uint8))
    index = torch.arange(channels) % 3
    return torch.cat(resized)[:, index]


def _photograph() -> Tensor:
    from sklearn.datasets import load_sample_image

    return torch.from_numpy(load_sample_image("china.jpg").copy()).permute(2, 0, 1)


def _read(path: Path, maximum: int) -> list[Tensor]:
    import numpy
    from PIL import Image

    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES)[
            :maximum
        ]
    else:
        files = [path]
    if not files:
        raise ImageError(
            f"'{path}' is neither an image nor a folder of images ({', '.join(SUFFIXES)})."
        )
    images = []
    for file in files:
        try:
            data = read_file(file, max_bytes=MAX_IMAGE_BYTES, what="image", error=ImageError)
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                check_pixels(image.height, image.width, f"image '{file}'")
                pixels = numpy.array(image.convert("RGB"))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            if isinstance(error, ImageError):
                raise
            raise ImageError(f"'{file}' cannot be read as an image: {error}") from error
        images.append(torch.from_numpy(pixels).permute(2, 0, 1))
    return images
