"""PNG files of 16 bits, grey or RGB: Pillow writes no RGB ones, and no texts with integers."""

import struct
import zlib
from collections.abc import Mapping

import numpy as np

from vision.ops.png import SIGNATURE

_KINDS = {1: 0, 3: 2}  # colour type by channels (PNG specification, section 11.2.1)
_UP = 2  # the filter that stores the difference from the row above (section 9.2)


def encode_png(values: np.ndarray, texts: Mapping[str, str] | None = None) -> bytes:
    """Encode values as a PNG file.

    Args:
        values: uint16, grey `(H, W)` or RGB `(H, W, 3)`, not empty.
        texts: Latin-1 texts by keyword, which `vision.ops.png.png_texts` reads back.

    Returns:
        The file.
    """
    assert values.dtype == np.uint16, f"values are uint16, not {values.dtype}"
    assert values.size, "there are pixels"
    planes = values if values.ndim == 3 else values[..., None]
    height, width, channels = planes.shape
    rows = np.ascontiguousarray(planes.astype(">u2")).reshape(height, -1).view(np.uint8)
    filtered = np.empty((height, rows.shape[1] + 1), np.uint8)
    filtered[:, 0] = _UP
    filtered[0, 1:] = rows[0]
    filtered[1:, 1:] = rows[1:] - rows[:-1]
    header = struct.pack(">IIBBBBB", width, height, 16, _KINDS[channels], 0, 0, 0)
    chunks = [(b"IHDR", header)]
    for keyword, text in (texts or {}).items():
        chunks.append((b"tEXt", f"{keyword}\0{text}".encode("latin-1")))
    chunks += [(b"IDAT", zlib.compress(filtered.tobytes())), (b"IEND", b"")]
    return SIGNATURE + b"".join(_chunk(kind, content) for kind, content in chunks)


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(content, zlib.crc32(kind))
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)
