"""Files that are written whole or not at all, and the digest by which their contents are known."""

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from vision.reading import MAX_WEIGHTS_BYTES, open_file


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file beside its place and rename it when it is whole.

    Args:
        path: The file; its folder is made.
        write: Writes to the path that it is given, which has the suffix of `path`.

    Raises:
        OSError: It cannot be written. Whatever `write` raises, what was at `path` is unchanged.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".unfinished.{path.name}")
    try:
        write(unfinished)
        os.replace(unfinished, path)
    except BaseException:
        with suppress(OSError):
            unfinished.unlink()
        raise


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's contents, as hexadecimal digits.

    Raises:
        DataError: There is no such file, or it is not a regular one.
    """
    with open_file(path, max_bytes=MAX_WEIGHTS_BYTES) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
