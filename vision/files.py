"""Atomic writing of files, the digest of their contents, and names that fit and read well."""

import hashlib
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from vision.reading import MAX_WEIGHTS_BYTES, open_file

# Longest name of a file or a folder, in bytes, of the usual file systems.
MAX_NAME_BYTES = 255


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file beside its place and rename it when it is whole.

    Args:
        path: The file; its folder is made.
        write: Writes to the path that it is given, which has the suffix of `path`.

    Raises:
        OSError: It cannot be written. Any error of `write`, too, leaves `path` unchanged.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(unfinished_name(path.name))
    try:
        # What an earlier process left there may be a link, which would be followed.
        unfinished.unlink(missing_ok=True)
        mode = _usual_mode(unfinished)
        write(unfinished)
        with suppress(OSError):  # a file system without modes
            unfinished.chmod(mode)
        os.replace(unfinished, path)
    except BaseException:
        with suppress(OSError):
            unfinished.unlink()
        raise


def _usual_mode(path: Path) -> int:
    """The mode of a new file; some libraries make files that only their owner can read."""
    path.touch()
    mode = path.stat().st_mode
    path.unlink()
    return stat.S_IMODE(mode)


def write_text(path: Path, text: str) -> None:
    r"""Write a text as UTF-8, whole or not at all; its folder is made.

    Letters that UTF-8 lacks, which names of files and JSON may have, become `\udc..`.

    Raises:
        OSError: It cannot be written; what was at `path` is unchanged.
    """
    contents = text.encode("utf-8", "backslashreplace")
    replace_file(path, lambda place: place.write_bytes(contents))


def unfinished_name(name: str) -> str:
    """The hidden name of a file while it is written, no longer than names may be."""
    return fit_name(f".unfinished.{name}")


def fit_name(path: str, room: int = 0) -> str:
    """A path whose last part is no longer than names may be.

    Args:
        path: With slashes between its parts.
        room: Bytes to leave free, such as for an ending that will follow.

    Returns:
        The path. A name that is too long keeps its beginning and its ending; a digest of the whole
        stands between, so that two different names stay different.
    """
    folder, slash, name = path.rpartition("/")
    encoded = os.fsencode(name)
    if len(encoded) + room <= MAX_NAME_BYTES:
        return path
    suffix = os.fsencode(os.path.splitext(name)[1])[:16]
    digest = hashlib.sha256(encoded).hexdigest()[:16]
    kept = encoded[: MAX_NAME_BYTES - room - len(suffix) - len(digest) - 1]
    fitted = f"{kept.decode('utf-8', 'ignore')}-{digest}{suffix.decode('utf-8', 'ignore')}"
    return f"{folder}{slash}{fitted}"


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's contents, as hexadecimal digits.

    Raises:
        DataError: There is no such file, or it is not a regular one.
    """
    with open_file(path, max_bytes=MAX_WEIGHTS_BYTES) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def relative_path(path: Path | str) -> str:
    """A path as a person would type it: relative if it is below the current directory."""
    relative = os.path.relpath(path)
    return os.path.abspath(path) if relative.startswith(os.pardir) else relative
