"""Portable float maps, `.pfm`: a header of text, then rows of float32 from the bottom up."""

import re
from pathlib import Path

import numpy as np

from vision.errors import DataError
from vision.ops.image_limits import check_pixels
from vision.reading import MAX_IMAGE_BYTES, read_file

# Kind (Pf is grey, PF has three colours), width, height, and a number whose sign is the order of
# the bytes: negative for little-endian.
HEADER = re.compile(rb"(P[fF])\s+(\d{1,9})\s+(\d{1,9})\s+([-+]?[0-9.eE+-]{1,32})[ \t\r]*\n")
MAX_HEADER = 100


def read_pfm(path: Path) -> np.ndarray:
    """Read a grey file.

    Args:
        path: The file.

    Returns:
        float32 `(H, W)`, from the top down.

    Raises:
        DataError: It is absent, has colours, or has other values than its header states.
    """
    data = read_file(path, max_bytes=MAX_IMAGE_BYTES)
    header = HEADER.match(data[:MAX_HEADER])
    if header is None or header[1] != b"Pf":
        what = "colours" if header else f"the begin {data[:12]!r}"
        raise DataError(f"'{path}' has {what}; expected a grey PFM file, which begins with 'Pf'.")
    width, height = int(header[2]), int(header[3])
    check_pixels(height, width, f"'{path}'")
    found, expected = len(data) - header.end(), 4 * height * width
    if found != expected or not expected:
        raise DataError(
            f"'{path}' has {found:,} bytes of pixels, but its header states {height} x {width} "
            f"(height x width), {expected:,} bytes. Copy or download it again."
        )
    order = "<f4" if header[4].startswith(b"-") else ">f4"
    rows = np.frombuffer(data, order, offset=header.end()).reshape(height, width)
    return rows[::-1].astype(np.float32)
