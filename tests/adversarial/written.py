"""Small hostile files that several tables of bad input write."""

import os
import socket
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

Reader = Callable[[Path], Any]


def file(name: str, content: bytes | str, read: Reader) -> Reader:
    """Writes a file and reads it."""

    def attempt(folder: Path) -> Any:
        data = content.encode() if isinstance(content, str) else content
        (folder / name).write_bytes(data)
        return read(folder / name)

    return attempt


def pipe(path: Path) -> None:
    os.mkfifo(path)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(10**13)


def bound(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def png_chunk(kind: bytes, content: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum


def png(width: int = 8, height: int = 8, *, extra: bytes = b"", end: bool = True) -> bytes:
    """A grey PNG file; the size is stated, the pixels are 8 x 8."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(9 * 8))
    parts = png_chunk(b"IHDR", header) + extra + png_chunk(b"IDAT", pixels)
    return b"\x89PNG\r\n\x1a\n" + parts + (png_chunk(b"IEND", b"") if end else b"")


BOMB = png(13000, 13000)
