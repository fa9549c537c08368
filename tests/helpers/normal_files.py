"""Random unit vectors, and files that hold them."""

import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image


def random_normals(seed: int, height: int = 9, width: int = 14) -> np.ndarray:
    """Unit vectors `(H, W, 3)`."""
    vectors = np.random.default_rng(seed).normal(size=(height, width, 3))
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def write_normals(path: Path, normals: np.ndarray, bits: int = 8) -> None:
    """Write a PNG file of 8 or 16 bits; NaN becomes black."""
    path.parent.mkdir(parents=True, exist_ok=True)
    largest = 2**bits - 1
    values = np.nan_to_num((normals + 1) / 2 * largest).round()
    if bits == 8:
        Image.fromarray(values.astype(np.uint8)).save(path)
        return
    height, width, _ = values.shape
    rows = values.astype(">u2").reshape(height, -1).view(np.uint8)
    # Rows are stored as they are, less the pixel on the left, or less the row above, in turn.
    left, above = np.zeros_like(rows), np.zeros_like(rows)
    left[1::3, 6:], above[2::3] = rows[1::3, :-6], rows[1::3][: len(rows[2::3])]
    data = b"".join(
        bytes([row % 3]) + (rows[row] - left[row] - above[row]).tobytes() for row in range(height)
    )
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(data)), (b"IEND", b"")]
    with path.open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for kind, content in chunks:
            file.write(struct.pack(">I", len(content)) + kind + content)
            file.write(struct.pack(">I", zlib.crc32(kind + content)))
