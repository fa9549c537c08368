"""The scale that a PNG file of depth states in its own text."""

import math
from pathlib import Path

from vision.errors import ConfigError, DataError, ImageError
from vision.ops.png import png_texts
from vision.reading import MAX_IMAGE_BYTES, open_file

# Keyword of the text; its value is the number of values a metre.
SCALE_KEY = "DepthValuesPerMetre"
# Texts lie at the beginning of the file.
_BEGINNING = 1 << 16


def stated_scale(path: Path) -> float | None:
    """The value of one metre that a PNG file states, as those of `vision.ops.depth_writing` do.

    Returns:
        The value; None if the file states none.

    Raises:
        DataError: It states no positive number.
        ImageError: It is absent or cannot be read.
    """
    with open_file(path, max_bytes=MAX_IMAGE_BYTES, error=ImageError) as file:
        text = png_texts(file.read(_BEGINNING)).get(SCALE_KEY)
    if text is None:
        return None
    try:
        scale = float(text)
    except ValueError:
        scale = math.nan
    if not 0 < scale < math.inf:
        raise DataError(
            f"'{path}' states '{SCALE_KEY}' = '{text[:40]}'; expected a positive number of values a"
            " metre. Write it again."
        )
    return scale


def choose_scale(path: Path, given: float | None, option: str) -> float:
    """The value of one metre in a PNG file: the stated one, or the given one.

    Args:
        path: The file.
        given: What the caller knows; None for nothing.
        option: Its name, for messages.

    Raises:
        DataError: Both are known and differ.
        ConfigError: None is known.
    """
    stated = stated_scale(path)
    if given is not None and stated is not None and not math.isclose(given, stated, rel_tol=1e-6):
        raise DataError(
            f"'{path}' states {stated:g} values a metre, but {option} is {given:g}. Leave {option}"
            " out, or write the file again."
        )
    scale = stated if given is None else given
    if scale is None:
        raise ConfigError(
            f"'{path}' is a PNG file that states no scale; give the value of one metre with"
            f" {option}, such as 256 (KITTI) or 1000 (millimetres)."
        )
    return scale
