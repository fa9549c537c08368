"""Prepared volumes kept between epochs: in memory that all workers share, or mapped from files.

Decoding a volume takes a second, and a patch is a small part of it. An entry belongs to the files
that it was made from, with their sizes and times of modification, and to the options of its
preparation; if one of them changes, it is made again.
"""

import contextlib
import hashlib
import json
import logging
import mmap
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from vision.data.files.mapped_arrays import map_array
from vision.errors import DataError
from vision.reading import GIB

logger = logging.getLogger(__name__)

# Version of what is kept.
FORMAT = 1
# Arrays begin at multiples of this many bytes.
ALIGNMENT = 64
_PART = ".part"

Arrays = Mapping[str, np.ndarray]


class VolumeCache(Protocol):
    """Keeps the arrays of some subjects."""

    def get(self, place: int, key: str, make: Callable[[], Arrays]) -> Arrays:
        """The arrays of a subject: kept ones, or else made, and kept if there is room.

        Args:
            place: Number of the subject in its dataset.
            key: From `key_of`.
            make: Makes the arrays.

        Returns:
            The arrays, which may be read only.
        """


def key_of(files: Sequence[str], options: Mapping[str, Any]) -> str:
    """What an entry is known by: two digests, of the files and options, and of their state.

    Args:
        files: The files that it is made from; of a folder, all files in it.
        options: Plain values that it depends on.

    Raises:
        DataError: A file is absent.
    """
    states = []
    for file in files:
        try:
            states += [_state(path) for path in (file, *_inside(file))]
        except OSError as error:
            raise DataError(f"'{file}' cannot be read: {error.strerror}.") from error
    names = [[os.path.abspath(file) for file in files], options, FORMAT]
    return f"{_digest(names)}-{_digest(states)}"


def _inside(path: str) -> list[str]:
    """The files in a folder, in the order of their names; none of a file."""
    if not os.path.isdir(path):
        return []
    with os.scandir(path) as entries:
        return sorted(entry.path for entry in entries if entry.is_file())


def _state(path: str) -> tuple[int, int, int]:
    found = os.stat(path)
    return found.st_size, found.st_mtime_ns, found.st_ino


def _digest(value: Any) -> str:
    return hashlib.blake2b(json.dumps(value).encode(), digest_size=12).hexdigest()


class MemoryCache:
    """A cache in memory that this process shares with the workers that it forks.

    A subject is kept as long as there is room, and then no other takes its place: in an epoch each
    comes once, so that the one that was used last is needed last. A worker that was started in
    another way than by a fork keeps nothing.

    Args:
        count: Number of subjects.
        max_bytes: Bytes to keep; only those that are used are taken from the system.
    """

    def __init__(self, count: int, max_bytes: int) -> None:
        import multiprocessing

        self._memory: mmap.mmap | None = mmap.mmap(-1, max(1, max_bytes))
        self._size = max_bytes
        # Where the description and the arrays of each subject begin, and bytes of the description.
        self._places = np.frombuffer(mmap.mmap(-1, 16 * max(1, count)), np.int64).reshape(-1, 2)
        self._end = np.frombuffer(mmap.mmap(-1, 8), np.int64)
        self._lock = multiprocessing.get_context("fork").Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_memory": None, "_lock": None, "_places": None, "_end": None}

    def get(self, place: int, key: str, make: Callable[[], Arrays]) -> Arrays:
        """As in `VolumeCache`."""
        if self._memory is None:
            return make()
        start, length = self._places[place].tolist()
        if length:
            about = json.loads(self._memory[start : start + length])
            if about["key"] == key:
                return {name: self._array(*rest) for name, rest in about["arrays"].items()}
        arrays = make()
        self._keep(place, key, arrays)
        return arrays

    def _array(self, offset: int, dtype: str, shape: list[int]) -> np.ndarray:
        assert self._memory is not None
        count = int(np.prod(shape, dtype=np.int64))
        array = np.frombuffer(self._memory, np.dtype(dtype), count, offset).reshape(shape)
        array.flags.writeable = False
        return array

    def _keep(self, place: int, key: str, arrays: Arrays) -> None:
        assert self._memory is not None
        # A description is written behind its arrays, whose offsets have at most 20 digits.
        sizes = [_aligned(array.nbytes) for array in arrays.values()]
        room = sum(sizes) + _aligned(len(key) + sum(len(name) + 200 for name in arrays))
        with self._lock:
            start = int(self._end[0])
            if self._places[place, 0] or start + room > self._size:
                return
            self._end[0] = start + room
            self._places[place, 0] = -1  # no other process keeps the same
        rows: dict[str, tuple[int, str, list[int]]] = {}
        for (name, array), size in zip(arrays.items(), sizes, strict=True):
            rows[name] = (start, array.dtype.str, [*array.shape])
            np.frombuffer(self._memory, array.dtype, array.size, start)[:] = array.ravel()
            start += size
        about = json.dumps({"key": key, "arrays": rows}).encode()
        self._memory[start : start + len(about)] = about
        self._places[place, 0] = start
        self._places[place, 1] = len(about)  # last: from now on others read it


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


class FolderCache:
    """A cache in a folder, whose files all processes and later runs map.

    It is filled up to its limit; entries of files that have changed make room.

    Args:
        folder: The folder, made when needed; it may be shared by runs.
        max_bytes: Bytes to keep.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.folder = folder
        self.max_bytes = max_bytes

    def get(self, place: int, key: str, make: Callable[[], Arrays]) -> Arrays:
        """As in `VolumeCache`."""
        entry = self.folder / key
        kept = _read_entry(entry)
        if kept is not None:
            return kept
        arrays = make()
        try:
            self._keep(entry, arrays)
        except OSError as error:
            logger.warning(
                "volumes are not kept for the next epoch: '%s' cannot be written to (%s). Set "
                "data.cache_dir to a folder that can.",
                self.folder,
                error.strerror,
            )
        return arrays

    def _keep(self, entry: Path, arrays: Arrays) -> None:
        import filelock

        self.folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(self.folder / ".lock"):
            about = entry.name.partition("-")[0]
            for old in self.folder.glob(f"{about}-*"):  # of files that have changed, or unfinished
                shutil.rmtree(old, ignore_errors=True)
            size = sum(array.nbytes for array in arrays.values())
            if size + _bytes_of(self.folder) > self.max_bytes:
                return
            part = Path(tempfile.mkdtemp(prefix=entry.name, suffix=_PART, dir=self.folder))
            try:
                for name, array in arrays.items():
                    np.save(part / f"{name}.npy", np.ascontiguousarray(array), allow_pickle=False)
                os.rename(part, entry)
            except BaseException:
                with contextlib.suppress(OSError):
                    shutil.rmtree(part)
                raise


def _bytes_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*/*.npy"))


def _read_entry(entry: Path) -> dict[str, np.ndarray] | None:
    try:
        paths = sorted(entry.glob("*.npy"))
        return {path.stem: map_array(path) for path in paths} or None
    except (OSError, DataError):
        return None


def make_cache(
    count: int, *, gigabytes: float, folder: Path | None
) -> MemoryCache | FolderCache | None:
    """The cache that options ask for; None for none.

    Args:
        count: Number of subjects.
        gigabytes: Its limit, 0 for none; of 2**30 bytes.
        folder: The folder of its files; None keeps them in memory.
    """
    limit = int(gigabytes * GIB)
    if not limit:
        return None
    return MemoryCache(count, limit) if folder is None else FolderCache(folder, limit)
