"""Files in which each pixel holds a label: PNG images of indices or of colours."""

import io
import os
import struct
import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image, UnidentifiedImageError

from vision.errors import DataError, ImageError
from vision.ops.image_limits import check_pixels
from vision.ops.png import SIGNATURE, png_fault, png_size, short_png_fault
from vision.reading import MAX_IMAGE_BYTES, read_file

# Colour of the palette entries that are not given, among them the entry of ignored pixels.
WHITE = (255, 255, 255)
# What Pillow raises for a broken PNG file.
BROKEN = (OSError, ValueError, SyntaxError, EOFError, IndexError, zlib.error, struct.error)
# Kinds of PNG pixels (PNG specification, third edition, section 11.2.1).
_GREY, _RGB, _PALETTE, _GREY_ALPHA, _RGB_ALPHA = 0, 2, 3, 4, 6


def read_labels(path: str | os.PathLike[str], *, what: str = "mask") -> np.ndarray:
    """Read the labels of a PNG file, as they are stored.

    Grey values and palette indices of any bit depth are returned unchanged; the colours of a
    palette are ignored. An alpha channel is dropped if every pixel is opaque.

    Args:
        path: The file.
        what: What errors call it.

    Returns:
        uint8 `(H, W)` of a grey or palette image of up to 8 bits, uint16 `(H, W)` of a grey one of
        16 bits, uint8 `(H, W, 3)` of an RGB one.

    Raises:
        ImageError: The file is absent, broken, no PNG, or of a kind that holds no labels.
    """
    data = read_file(path, max_bytes=MAX_IMAGE_BYTES, what=what, error=ImageError)
    return decode_labels(data, os.fspath(path), what=what)


def decode_labels(data: bytes, name: str, *, what: str = "mask") -> np.ndarray:
    """The labels of the bytes of a PNG file, as `read_labels` gives them.

    Args:
        data: The whole file.
        name: Name of the file, for errors.
        what: What errors call it.

    Raises:
        ImageError: It is broken, no PNG, of a kind that holds no labels, or of more pixels than
            `max_pixels`.
    """
    if not data.startswith(SIGNATURE) or len(data) < 26:
        begin = f"it begins with {data[:16]!r}" if data else "it is empty (0 bytes)"
        raise ImageError(
            f"{what} '{name}' is no PNG file: {begin}. Masks have to be PNG: other formats, JPEG "
            "above all, may change the labels. Write it again from its source."
        )
    depth, kind = data[24], data[25]
    if depth == 16 and kind != _GREY:
        raise ImageError(
            f"{what} '{name}' has 16 bits per colour, expected 8: write it as 8-bit RGB, or as "
            "grey with the class as the value."
        )
    if size := png_size(data):
        check_pixels(*size, f"{what} '{name}'")
    fault = png_fault(data)
    try:
        if not fault:
            with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
                labels = _labels(image, depth, kind, f"{what} '{name}'")
                fault = short_png_fault(data, ends_blank=not labels[-1].any())
    except ImageError:
        raise
    except (UnidentifiedImageError, *BROKEN) as error:
        raise ImageError(
            f"{what} '{name}' cannot be read: {_reason(error)}. Copy or download it again."
        ) from error
    if fault:
        raise ImageError(f"{what} '{name}' cannot be read: {fault}. Copy or download it again.")
    return labels


def write_labels(
    path: str | os.PathLike[str] | io.BytesIO,
    labels: np.ndarray,
    palette: np.ndarray | None = None,
) -> None:
    """Write labels as a PNG file, from which `read_labels` reads the same.

    Args:
        path: The file, in a folder that exists; or one in memory.
        labels: uint8 `(H, W)`.
        palette: uint8 `(K, 3)`, RGB colour of each label, K at most 256; labels of K and more are
            shown white. None writes a grey image.

    Raises:
        DataError: An array has another type or shape, or the file cannot be written.
    """
    if labels.dtype != np.uint8 or labels.ndim != 2 or not labels.size:
        raise DataError(
            f"labels for '{path}' are {labels.dtype} {labels.shape}, expected uint8 (H, W)."
        )
    image = Image.fromarray(np.ascontiguousarray(labels))
    if palette is not None:
        if palette.dtype != np.uint8 or palette.ndim != 2 or not _is_palette(palette.shape):
            raise DataError(
                f"the palette for '{path}' is {palette.dtype} {palette.shape}, expected uint8 "
                "(K, 3) with K of 256 or less."
            )
        # Always whole: with few entries Pillow would store fewer bits, and cut labels to them.
        colours = np.full((256, 3), WHITE, dtype=np.uint8)
        colours[: len(palette)] = palette
        image.putpalette(colours.tobytes())
    try:
        image.save(path, format="PNG")
    except OSError as error:
        raise DataError(f"'{path}' cannot be written: {_reason(error)}.") from error


def _labels(image: Image.Image, depth: int, kind: int, name: str) -> np.ndarray:
    if kind in (_GREY_ALPHA, _RGB_ALPHA):
        _require_opaque(image, name)
        image = image.convert("L" if kind == _GREY_ALPHA else "RGB")
    pixels = np.array(image)  # a copy that may be written to
    if kind == _GREY:
        return _UNSCALED[depth](pixels)
    return pixels


def _require_opaque(image: Image.Image, name: str) -> None:
    minimum = int(np.asarray(image.getchannel("A")).min())
    if minimum < 255:
        raise ImageError(
            f"{name} has transparent pixels (alpha down to {minimum}), which have no label. "
            "Write it without an alpha channel."
        )


# Pillow scales grey values of few bits to 0..255, and holds 16 bits in several ways.
_UNSCALED: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda pixels: pixels.astype(np.uint8),
    2: lambda pixels: pixels // 85,
    4: lambda pixels: pixels // 17,
    8: lambda pixels: pixels,
    16: lambda pixels: pixels.astype(np.uint16),
}


def _is_palette(shape: tuple[int, ...]) -> bool:
    return 1 <= shape[0] <= 256 and shape[1] == 3


def _reason(error: BaseException) -> str:
    text = str(getattr(error, "strerror", None) or error).partition("\n")[0].rstrip(".")
    return text or type(error).__name__
