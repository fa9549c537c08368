"""Files of a dataset: finding them, holding their names in arrays, saying what is absent."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import overload

import numpy as np

from vision.data.mapped_arrays import PickledByPath
from vision.errors import DataError, suggest
from vision.reading import MAX_TABLE_BYTES, read_file

IMAGE_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp"),
    *(".pbm", ".pgm", ".ppm", ".jp2"),
)


class PathList(PickledByPath, Sequence[str]):
    """Many paths in one byte string and one array of offsets.

    A list of a million strings would be copied, page by page, into the memory of every worker that
    merely counts references to its items; this stays shared.

    Args:
        paths: The paths, in the order that they keep.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        encoded = [os.fsencode(path) for path in paths]
        self._bytes = np.frombuffer(b"".join(encoded), dtype=np.uint8)
        self._offsets = np.cumsum([0, *map(len, encoded)], dtype=np.int64)

    @classmethod
    def from_arrays(cls, encoded: np.ndarray, offsets: np.ndarray) -> "PathList":
        """Take over the arrays of another list, such as those mapped from files.

        Args:
            encoded: uint8 `(S,)`, the bytes of all paths in a row.
            offsets: int64 `(N + 1,)`, where each begins, and the end of the last.
        """
        paths = cls(())
        paths._bytes, paths._offsets = encoded, offsets
        return paths

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Bytes and offsets, as `from_arrays` takes them."""
        return self._bytes, self._offsets

    def take(self, indices: np.ndarray) -> "PathList":
        """The paths at some places, int64 `(n,)`, as a list of their own."""
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
    """List the image files of a folder and of the folders in it.

    Files are told by their suffix, in any case. Hidden files and folders (such as the `._*` twins
    that macOS writes) do not count.

    Args:
        folder: The folder to search.
        ignored: Counts the files of other suffixes by suffix.

    Returns:
        Paths that begin with `folder`, in alphabetical order.

    Raises:
        DataError: A folder cannot be listed.
    """
    found, folders = [], [str(folder)]
    while folders:
        for entry in _entries(folders.pop()):
            if entry.is_dir():
                if not _leads_upwards(entry):
                    folders.append(entry.path)
            elif (suffix := os.path.splitext(entry.name)[1].lower()) in IMAGE_SUFFIXES:
                found.append(entry.path)
            elif ignored is not None:
                ignored[suffix or "no suffix"] += 1
    return sorted(found)


def list_folders(folder: Path) -> list[str]:
    """Names of the folders in a folder, hidden ones left out, in alphabetical order.

    Raises:
        DataError: The folder cannot be listed.
    """
    return sorted(entry.name for entry in _entries(str(folder)) if entry.is_dir())


def require_folder(folder: Path, expected: str) -> None:
    """Raise a `DataError` that says where the trail ends, if there is no such folder.

    Args:
        folder: The folder that has to exist.
        expected: The expected tree, to end the message with.
    """
    folder = folder.resolve()
    if folder.is_dir():
        return
    if folder.exists():
        raise DataError(f"'{folder}' is a file, not a folder. {expected}")
    parent = next(parent for parent in folder.parents if parent.is_dir())
    absent = folder.relative_to(parent).parts[0]
    near = suggest(absent, list_folders(parent))
    raise DataError(
        f"there is no folder '{folder}': '{parent}' has no '{absent}'.{near} {expected}"
    )


def read_bytes(path: Path) -> bytes:
    """The whole of an annotation file.

    Raises:
        DataError: It is absent, no regular file, or cannot be read.
    """
    return read_file(path, max_bytes=MAX_TABLE_BYTES, what="annotation file")


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise DataError(f"cannot list the folder '{folder}': {error.strerror}.") from error


def _leads_upwards(entry: os.DirEntry[str]) -> bool:
    """Whether a folder is a link to one of the folders that it is in: following it has no end."""
    if not entry.is_symlink():
        return False
    here = os.path.realpath(os.path.dirname(entry.path))
    target = os.path.realpath(entry.path)
    return os.path.commonpath([here, target]) == target
