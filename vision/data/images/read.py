"""Read any image file as uint8 RGB, upright."""

import io
import os
from typing import NamedTuple

import numpy as np
import torch
from PIL import ExifTags, Image, TiffImagePlugin, UnidentifiedImageError
from torch import Tensor

from vision import reading
from vision.data.images.bands import Bands, read_bands, tiff_bands
from vision.data.images.jpeg import BROKEN, jpeg_fault, jpeg_size, read_jpeg
from vision.errors import ImageError
from vision.ops.image_limits import check_pixels, pillow_refusal
from vision.ops.png import ENDLESS, png_fault, png_size, png_size_fault, short_png_fault
from vision.reading import MAX_IMAGE_BYTES

# The formats that are read, with any suffix. Pillow knows more, some of which (EPS) start other
# programs.
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM", "JPEG2000")
_STRIP = 1024  # rows that are converted at a time
# How to turn an image upright, by the orientation in its metadata (EXIF 2.32, tag 0x0112).
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class EncodedImage(NamedTuple):
    """The bytes of an image file.

    Attributes:
        data: The whole file.
        name: Its origin, for errors: a path, or a shard and a key.
    """

    data: bytes
    name: str


def read_image(path: str | os.PathLike[str]) -> Tensor:
    """Read an image file as 8-bit RGB: `decode_image` of `read_file`."""
    return decode_image(read_file(path))


def read_file(path: str | os.PathLike[str]) -> EncodedImage:
    """Read the bytes of an image file.

    Raises:
        ImageError: The file is absent, not a regular file, or cannot be read.
    """
    data = reading.read_file(path, max_bytes=MAX_IMAGE_BYTES, what="image", error=ImageError)
    return EncodedImage(data, os.fspath(path))


def decode_image(encoded: EncodedImage, *, strict: bool = False) -> Tensor:
    """Decode an image as 8-bit RGB.

    The orientation stored in the file (EXIF) is applied. Grey becomes three equal channels;
    transparent pixels are laid on white; CMYK and palettes are converted; of an animation the first
    frame is read. 16-bit grey is scaled to 8 bits. A 32-bit grey image (TIFF, PFM) names no range:
    the narrowest of 0..1 (floats only), 0..255 and 0..65535 that holds its values is scaled to
    0..255. Colour profiles are not applied. Common JPEG files are decoded by
    `vision.data.images.jpeg`, to the same pixels.

    Args:
        encoded: The file; its content decides the format, not its name.
        strict: Whether to refuse also damage that does not change the pixels: bytes left over
            before the end of a JPEG file, wrong checksums of comments in a PNG file.

    Returns:
        uint8 `(3, H, W)`, RGB.

    Raises:
        ImageError: The file is empty, truncated, damaged (as far as its format can tell) or not an
            image; it has more pixels than `max_pixels`, or bands other than colours and
            transparency.
    """
    data, name = encoded
    if not data:
        raise ImageError(f"image '{name}' is empty (0 bytes); copy or download it again.")
    jpeg = read_jpeg(data)
    pixels = None if jpeg is None else jpeg.decode(strict=strict)
    if pixels is None:
        _check_header(data, name)
        fault = jpeg_fault(data, strict=strict) or png_fault(data, strict=strict)
        if fault := fault or (png_size_fault(data) if strict else None):
            state = "truncated" if fault == ENDLESS else "damaged"
            raise ImageError(f"image '{name}' is {state}: {fault}; copy or download it again.")
        pixels = _decode_any(data, name)
    return torch.from_numpy(pixels).permute(2, 0, 1)  # (3, H, W)


def _decode_any(data: bytes, name: str) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            check_pixels(image.height, image.width, f"image '{name}'")
            if fault := _short_png(image, data):
                raise ImageError(f"image '{name}' is damaged: {fault}; copy or download it again.")
            return np.array(_to_rgb(_upright(image)))  # (H, W, 3), a copy that may be written to
    except ImageError:
        raise
    except UnidentifiedImageError:
        raise ImageError(_unidentified(data, name)) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(pillow_refusal(f"image '{name}'", error)) from None
    except BROKEN as error:
        raise ImageError(f"image '{name}' cannot be read: {_reason(error)}.") from error


def _check_header(data: bytes, name: str) -> None:
    if size := png_size(data) or jpeg_size(data):  # Pillow reports the size of the others
        check_pixels(*size, f"image '{name}'")
    _check_bands(read_bands(data), name)


def _check_bands(bands: Bands | None, name: str) -> None:
    if bands and bands.fault:
        raise ImageError(f"image '{name}' {bands.fault}.")


def _short_png(image: Image.Image, data: bytes) -> str | None:
    """The fault of a PNG file that lacks rows, which Pillow leaves black."""
    if image.format != "PNG":
        return None
    last = image.crop((0, image.height - 1, *image.size))
    return short_png_fault(data, ends_blank=last.getbbox() is None)


def _unidentified(data: bytes, name: str) -> str:
    bands = read_bands(data)
    if bands and (bands.number > 1 or bands.bits > 8):
        return (
            f"image '{name}' has {bands.number} bands of {bands.kind}, which are not read: write "
            "it as grey or RGB of 8 bits."
        )
    return (
        f"'{name}' is not an image: it begins with {data[:16]!r}. "
        f"Formats that are read: {', '.join(FORMATS)}."
    )


def convert_image(image: Image.Image) -> Tensor:
    """Convert a Pillow image of any mode as `decode_image` does with its file.

    Args:
        image: Opened or made in memory; it is not changed.

    Returns:
        uint8 `(3, H, W)`, RGB.

    Raises:
        ImageError: It has no pixels, its file is broken, or its values are out of the known ranges.
    """
    name = getattr(image, "filename", "") or f"PIL image of mode {image.mode}"
    if 0 in image.size:
        raise ImageError(f"image '{name}' has no pixels: its size is {image.size}.")
    check_pixels(image.height, image.width, f"image '{name}'")
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        _check_bands(tiff_bands(image.tag_v2), name)
    try:
        pixels = np.array(_to_rgb(_upright(image)))  # (H, W, 3), a copy that may be written to
    except BROKEN as error:
        raise ImageError(f"image '{name}' cannot be read: {_reason(error)}.") from error
    return torch.from_numpy(pixels).permute(2, 0, 1)  # (3, H, W)


def _upright(image: Image.Image) -> Image.Image:
    # ImageOps.exif_transpose would also rewrite the metadata, and fail if they are damaged.
    image.load()  # turns a TIFF by itself, and then drops the entry
    turn = _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    return image if turn is None else image.transpose(turn)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        image = _scale_to_8_bits(image, limit=65535)
    elif image.mode in ("I", "F"):
        image = _scale_to_8_bits(image, limit=None)
    if image.mode == "La":  # premultiplied; Pillow has no direct way from here to RGBA
        image = image.convert("LA")
    if image.has_transparency_data:
        return _on_white(image)
    return image if image.mode == "RGB" else image.convert("RGB")


def _on_white(image: Image.Image) -> Image.Image:
    """Put an image on white, in strips: at once, it would take several times the memory."""
    opaque = Image.new("RGB", image.size)
    for top in range(0, image.height, _STRIP):
        box = (0, top, image.width, min(top + _STRIP, image.height))
        strip = image.crop(box).convert("RGBA")
        white = Image.new("RGBA", strip.size, "white")
        opaque.paste(Image.alpha_composite(white, strip).convert("RGB"), box)
    return opaque


def _scale_to_8_bits(image: Image.Image, *, limit: int | None) -> Image.Image:
    values = np.asarray(image)
    low, high = values.min(), values.max()
    limits = [limit] if limit else [1, 255, 65535] if image.mode == "F" else [255, 65535]
    fitting = [limit for limit in limits if low >= 0 and high <= limit]
    if not fitting:
        raise ValueError(
            f"its values run from {low:g} to {high:g}, expected 0..1, 0..255 or 0..65535"
        )
    scaled = np.empty(values.shape, dtype=np.uint8)
    for top in range(0, len(values), _STRIP):
        strip = values[top : top + _STRIP].astype(np.float64)  # holds any of the integers exactly
        scaled[top : top + _STRIP] = np.rint(strip * (255 / fitting[0]))
    return Image.fromarray(scaled)


def _reason(error: Exception) -> str:
    text = str(error).partition("\n")[0].rstrip(".")
    return text or type(error).__name__
