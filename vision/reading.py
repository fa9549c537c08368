"""Safe reading of files from outside: regular files only, up to a known maximum size.

A path that a user, a dataset or an archive names may lead to a named pipe that nobody writes to, a
device without an end, a folder, a link that leads to itself, or a sparse file of terabytes.
Everything that reads such a path opens it here.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from itertools import islice
from pathlib import Path

from vision.errors import DataError, VisionError, suggest

GIB = 2**30
# Settings, descriptions and other text written by people: 8 MiB are some 100,000 lines.
MAX_SETTINGS_BYTES = 2**23
# Annotations of a whole dataset; Objects365 has 6 GB of them.
MAX_TABLE_BYTES = 16 * GIB
# One image, still compressed or not: 100 megapixels of four channels of 16 bits have 0.8 GB.
MAX_IMAGE_BYTES = GIB
# What is read as a stream: archives, shards, videos. The archive of ImageNet-22k has 1.1 TB.
MAX_ARCHIVE_BYTES = 2**42
# Weights and checkpoints, which are mapped or read tensor by tensor.
MAX_WEIGHTS_BYTES = 256 * GIB

# Bytes that a file may have grown by since its size was read.
MAX_GROWTH = 2**24

# A file of more bytes than these is not whole if less than a sixteenth of it is written.
SPARSE_BYTES, SPARSE_SHARE = 2**26, 16

# Pipes and devices cannot block; no terminal becomes the controlling one of the process.
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
_FLAGS |= getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
# Names that are compared with a missing one; a folder can have a million.
_MAX_COMPARED = 50
# Characters of a path in a message.
_MAX_SHOWN = 300
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}

StrPath = str | os.PathLike[str]


def open_file(
    path: StrPath,
    *,
    max_bytes: int,
    what: str = "file",
    error: type[VisionError] = DataError,
) -> BufferedReader:
    """Open a regular file for reading, without ever waiting for another process.

    Args:
        path: The file, or a link to it.
        max_bytes: Largest size that is opened.
        what: What messages call it, such as `"annotation file"`.
        error: Class of the error.

    Raises:
        VisionError: Of the class `error`: the file is absent, is not a regular file (a folder, a
            named pipe, a socket, a device), is larger than `max_bytes` or sparse, or may not be
            read; or the path has a NUL, is too long, or leads in a circle.
    """
    with _named(path, what, error):
        _require_regular(os.stat(path), path, what, error)  # some devices act on being opened
        descriptor = os.open(path, _FLAGS)
        try:
            # Another file may have taken its place.
            found = os.fstat(descriptor)
            _require_regular(found, path, what, error)
            if found.st_size > max_bytes:
                raise error(_too_large(path, what, found.st_size, max_bytes))
            if found.st_size > SPARSE_BYTES and _is_sparse(descriptor, found.st_size):
                raise error(
                    f"{what} {shown_path(path)} states {found.st_size:,} bytes, of which few are "
                    "written: it is sparse, as a download that was never finished. Copy it again."
                )
            return os.fdopen(descriptor, "rb")
        except BaseException:
            os.close(descriptor)
            raise


def require_file(
    path: StrPath, *, max_bytes: int, what: str = "file", error: type[VisionError] = DataError
) -> None:
    """Raise what `open_file` raises; for a library that has to open the file itself."""
    open_file(path, max_bytes=max_bytes, what=what, error=error).close()


def read_file(
    path: StrPath, *, max_bytes: int, what: str = "file", error: type[VisionError] = DataError
) -> bytes:
    """Read the whole of a regular file.

    A file that another process appends to is read to its present end.

    Args:
        path: The file, or a link to it.
        max_bytes: Largest size that is read.
        what: What messages call it.
        error: Class of the error.

    Raises:
        VisionError: Of the class `error`, as for `open_file`; or reading fails, or the file was cut
            meanwhile, or has no end.
    """
    with (
        open_file(path, max_bytes=max_bytes, what=what, error=error) as file,
        _named(path, what, error),
    ):
        stated = os.fstat(file.fileno()).st_size
        data = file.read(stated + 1)
        if data is None:  # some files of the system state no size and would have to be waited for
            raise error(f"{what} {shown_path(path)} cannot be read: it has no contents of its own.")
        if len(data) < stated:
            raise error(
                f"{what} {shown_path(path)} was cut while it was read: {len(data):,} of "
                f"{stated:,} bytes are there. Wait until it is whole."
            )
        if len(data) > stated:  # it has grown, or it is one of those that state no size
            limit = min(max_bytes, stated + MAX_GROWTH)
            data += file.read(max(0, limit - len(data)) + 1) or b""
            if len(data) > limit:
                raise error(_too_large(path, what, len(data), limit))
        return data


def _is_sparse(descriptor: int, size: int) -> bool:
    """Whether most of a file was never written, as far as its file system reports."""
    if not hasattr(os, "SEEK_DATA"):
        return False
    written = at = 0
    try:
        while written * SPARSE_SHARE < size and at < size:
            begin = os.lseek(descriptor, at, os.SEEK_DATA)
            at = os.lseek(descriptor, begin, os.SEEK_HOLE)
            written += at - begin
    except OSError as found:
        if found.errno != errno.ENXIO:  # which says that no data follow
            return False
    os.lseek(descriptor, 0, os.SEEK_SET)
    return written * SPARSE_SHARE < size


def user_path(path: StrPath, *, what: str = "path", error: type[VisionError] = DataError) -> Path:
    """A user's path with `~` expanded, checked so that the methods of `Path` work on it.

    Args:
        path: A file or folder, which need not exist.
        what: What messages call it.
        error: Class of the error.

    Raises:
        VisionError: Of the class `error`: no file system has such a path (it has a NUL, is too
            long, or is a link that leads to itself).
    """
    expanded = os.path.expanduser(path)
    try:
        os.stat(expanded)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        pass
    except (OSError, ValueError) as found:
        reason = getattr(found, "strerror", None) or found
        raise error(f"{what} {shown_path(path)} is not a possible path: {reason}.") from found
    return Path(expanded)


def shown_path(path: StrPath) -> str:
    """A path in quotes on one line, shortened, with unprintable characters escaped."""
    text = os.fspath(path)
    if len(text) > _MAX_SHOWN:
        text = f"{text[: _MAX_SHOWN // 2]}...{text[-_MAX_SHOWN // 2 :]}"
    return f"'{text}'" if text.isprintable() else repr(text)


def _require_regular(
    found: os.stat_result, path: StrPath, what: str, error: type[VisionError]
) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = _KINDS.get(stat.S_IFMT(found.st_mode), "not a regular file")
        raise error(f"{what} {shown_path(path)} is {kind}, expected a regular file.")


def _too_large(path: StrPath, what: str, size: int, max_bytes: int) -> str:
    return (
        f"{what} {shown_path(path)} has {size:,} bytes or more; at most {max_bytes:,} are read. "
        "Check that it is the file that you mean, and not a sparse one; split a larger one."
    )


@contextmanager
def _named(path: StrPath, what: str, error: type[VisionError]) -> Iterator[None]:
    """Turn errors of the system into one that names the file."""
    try:
        yield
    except VisionError:
        raise
    except FileNotFoundError:
        raise error(_absent(path, what)) from None
    except OSError as found:
        reason = found.strerror or type(found).__name__
        raise error(f"{what} {shown_path(path)} cannot be read: {reason}.") from found
    except ValueError as found:  # a NUL, or a character that no file name has
        raise error(f"{what} {shown_path(path)} cannot be read: {found}.") from found


def _absent(path: StrPath, what: str) -> str:
    if os.path.islink(path):
        target = shown_path(os.readlink(path))
        return f"{what} {shown_path(path)} is a link to {target}, which does not exist."
    absolute = os.path.abspath(path)
    folder, name = os.path.split(absolute)
    suffix = os.path.splitext(name)[1]
    try:
        with os.scandir(folder) as entries:
            near = [entry.name for entry in islice(entries, _MAX_COMPARED)]
    except OSError:
        near = []
    hint = suggest(name, [other for other in near if other.endswith(suffix)])
    return f"there is no {what} {shown_path(path)} (looked at {shown_path(absolute)}).{hint}"
