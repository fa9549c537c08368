"""Limit on the size of decoded images: a file of 20 kB can expand to gigabytes of pixels."""

import math
import os
import re

from PIL import Image

from vision.errors import ConfigError, ImageError

# The environment variable that raises or lowers the limit, for all processes of a command.
VARIABLE = "VISION_MAX_PIXELS"
_MAX_DIGITS = 15


def max_pixels() -> float:
    """Largest number of pixels (height x width) of an image that is decoded.

    It is the value of the environment variable `VISION_MAX_PIXELS`, which then is Pillow's limit
    too; without it, `PIL.Image.MAX_IMAGE_PIXELS`: 89,478,485, unless a program has changed it.

    Raises:
        ConfigError: The variable is not a number of pixels.
    """
    text = os.environ.get(VARIABLE)
    if text is None:
        return Image.MAX_IMAGE_PIXELS or math.inf
    if not text.isdecimal() or len(text) > _MAX_DIGITS or not int(text):
        raise ConfigError(f"{VARIABLE}={text!r} must be a number of pixels, such as 400000000.")
    Image.MAX_IMAGE_PIXELS = int(text)
    return int(text)


def check_pixels(height: int, width: int, name: str) -> None:
    """Refuse an image by the size that its header states, before it is decoded.

    Args:
        height: Rows.
        width: Columns.
        name: What messages call it, such as `"image 'a.png'"`.

    Raises:
        ImageError: It has more than `max_pixels()` pixels.
    """
    if height * width > max_pixels():
        size = f"{height:,} x {width:,} pixels (height x width)"
        raise ImageError(_refusal(name, size, height * width))


def pillow_refusal(name: str, error: Exception) -> str:
    """The message for an image that Pillow itself has refused, without its height and width.

    Args:
        name: As in `check_pixels`.
        error: Its error.
    """
    found = re.search(r"\((\d+) pixels\)", str(error))
    number = int(found[1]) if found else 0
    return _refusal(name, f"{number:,} pixels", number)


def _refusal(name: str, size: str, number: int) -> str:
    return (
        f"{name} is refused: it states {size}, more than {max_pixels():,}. Scale it down or cut it "
        f"into tiles, or set the environment variable {VARIABLE}={number} if the memory suffices "
        "(14 bytes a pixel)."
    )
