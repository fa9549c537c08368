"""Files of a dataset: finding them, keeping their paths in arrays, errors for absent ones."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import overload

import numpy as np

from vision.data.files.mapped_arrays import PickledByPath
from vision.errors import DataError, suggest
from vision.reading import MAX_TABLE_BYTES, read_file, shown_path

IMAGE_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp"),
    *(".pbm", ".pgm", ".ppm", ".jp2"),
)


# Maximum depth of links to folders within links to folders.
MAX_NESTED_LINKS = 4


class PathList(PickledByPath, Sequence[str]):
    """Many paths in one byte string and one array of offsets.

    Counting references would copy a list of a million strings, page by page, into the memory of
    every worker; this stays shared.

    Args:
        paths: The paths, in order.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        encoded = [os.fsencode(path) for path in paths]
        self._bytes = np.frombuffer(b"".join(encoded), dtype=np.uint8)
        self._offsets = np.cumsum([0, *map(len, encoded)], dtype=np.int64)

    @classmethod
    def from_arrays(cls, encoded: np.ndarray, offsets: np.ndarray) -> "PathList":
        """Wrap the arrays of another list, such as arrays mapped from files.

        Args:
            encoded: uint8 `(S,)`, the bytes of all paths, concatenated.
            offsets: int64 `(N + 1,)`, the begin of each, and the end of the last.
        """
        paths = cls(())
        paths._bytes, paths._offsets = encoded, offsets
        return paths

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Bytes and offsets, as `from_arrays` accepts them."""
        return self._bytes, self._offsets

    def take(self, indices: np.ndarray) -> "PathList":
        """The paths at some indices, int64 `(n,)`, as a list of their own."""
        return PathList(self[int(i)] for i in indices)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        index = range(len(self))[index]  # negative indices, and an IndexError past the end
        return os.fsdecode(self._bytes[self._offsets[index] : self._offsets[index + 1]].tobytes())

    def __len__(self) -> int:
        return len(self._offsets) - 1


def find_images(folder: Path, ignored: Counter[str] | None = None) -> list[str]:
    """List the image files in a folder, recursively.

    Files are recognised by their suffix, in any case. Hidden files and folders (such as the `._*`
    files of macOS) do not count. Links are followed, but never into a folder that they lie in.

    Args:
        folder: The folder to search.
        ignored: Counts the files of other suffixes by suffix.

    Returns:
        Paths that begin with `folder`, in alphabetical order.

    Raises:
        DataError: A folder cannot be listed, or links to folders are nested without end.
    """
    found: list[str] = []
    for _, files in walk_folders(folder):
        for entry in files:
            if (suffix := os.path.splitext(entry.name)[1].lower()) in IMAGE_SUFFIXES:
                found.append(entry.path)
            elif ignored is not None:
                ignored[suffix or "no suffix"] += 1
    return sorted(found)


def walk_folders(folder: Path) -> Iterator[tuple[str, list[os.DirEntry[str]]]]:
    """Walk through a folder recursively, as `find_images` does.

    Yields:
        The path of each folder, which begins with `folder`, and the entries in it that are not
        folders.

    Raises:
        DataError: As for `find_images`.
    """
    waiting: list[tuple[str, frozenset[tuple[int, int]], int]] = [(str(folder), frozenset(), 0)]
    while waiting:
        path, above, links = waiting.pop()
        own = _identity(path)
        if own in above:
            continue
        if links > MAX_NESTED_LINKS:
            raise DataError(
                f"'{path}' is reached over {links} links to folders, one within the other: they "
                "lead to ever more folders. Remove those that are not meant."
            )
        files = []
        for entry in _entries(path):
            if _is_folder(entry):
                waiting.append((entry.path, above | {own}, links + entry.is_symlink()))
            else:
                files.append(entry)
        yield path, files


def list_folders(folder: Path) -> list[str]:
    """Names of the folders in a folder, hidden ones left out, in alphabetical order.

    Raises:
        DataError: The folder cannot be listed.
    """
    return sorted(entry.name for entry in _entries(str(folder)) if _is_folder(entry))


def require_folder(folder: Path, expected: str) -> None:
    """Raise a `DataError` that names the first absent part of the path, if there is no such folder.

    Args:
        folder: The folder that has to exist.
        expected: The expected tree, for the end of the message.
    """
    if os.path.isdir(folder):
        return
    try:
        folder = folder.resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise DataError(f"{shown_path(folder)} is not a folder: {error}. {expected}") from error
    if os.path.lexists(folder):
        raise DataError(f"'{folder}' is a file, not a folder. {expected}")
    parent = next(parent for parent in folder.parents if os.path.isdir(parent))
    absent = folder.relative_to(parent).parts[0]
    near = suggest(absent, list_folders(parent))
    raise DataError(
        f"there is no folder '{folder}': '{parent}' has no '{absent}'.{near} {expected}"
    )


def read_bytes(path: Path) -> bytes:
    """Read a whole annotation file.

    Raises:
        DataError: It is absent, not a regular file, or cannot be read.
    """
    return read_file(path, max_bytes=MAX_TABLE_BYTES, what="annotation file")


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise DataError(f"cannot list the folder '{folder}': {error.strerror}.") from error


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself; reading it says so
        return False


def _identity(folder: str) -> tuple[int, int]:
    """The identity of a folder, the same for every path to it."""
    try:
        found = os.stat(folder)
    except (OSError, ValueError) as error:
        raise DataError(f"cannot list the folder {shown_path(folder)}: {error}.") from error
    return found.st_dev, found.st_ino
