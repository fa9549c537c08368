"""A local cache of remote shards, shared by processes; the least recently used go first.

Any number of processes of one machine can use a cache at once. A lock per shard makes one of them
fetch it while the others wait. A reader holds a shared lock on its open file, so that no process
removes a shard that another one reads. The system drops the locks of a process that dies.
"""

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from vision.data.shards.remote import download, public
from vision.errors import DataError

try:
    import fcntl
except ImportError:  # Windows, which does not remove open files anyway
    fcntl = None  # type: ignore[assignment]

logger = logging.getLogger(__name__)

_PART = ".part"


class ShardCache:
    """A folder that holds copies of remote files, up to a number of bytes.

    Args:
        folder: The folder; made when needed. The limit counts all files in it, of any dataset.
        limit: Bytes that it may hold. It is exceeded only if nothing can be removed, because every
            file is open.
    """

    def __init__(self, folder: Path, *, limit: int) -> None:
        self.folder = folder
        self.limit = limit

    def open(self, url: str, place: str, size: int) -> BinaryIO:
        """Open a file, fetched if it is not cached. It stays in the cache until it is closed.

        Args:
            url: Address of the file.
            place: Its path within the cache.
            size: Its length in bytes.

        Raises:
            DataError: It cannot be fetched or stored.
        """
        import filelock

        path = self.folder / place
        try:
            if file := _open_shared(path, size):
                return file
            path.parent.mkdir(parents=True, exist_ok=True)
            with filelock.FileLock(f"{path}.lock"):
                return _open_shared(path, size) or self._fetch(url, path, size)
        except OSError as error:
            raise DataError(
                f"'{public(url)}' cannot be stored in the cache '{self.folder}': {error}. Set "
                "--data.cache_dir to a folder that can be written to."
            ) from error

    def _fetch(self, url: str, path: Path, size: int) -> BinaryIO:
        import filelock

        # The name holds the final length: a file that is being fetched counts in full.
        part = path.with_name(f"{path.name}.{size}{_PART}")
        with filelock.FileLock(self.folder / "removal.lock"):
            self._make_room(size)
            file = part.open("w+b")
            _lock(file, shared=True)
        try:
            download(url, part, size)
            reader = part.open("rb", buffering=0)
            _lock(reader, shared=True)
            os.replace(part, path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        finally:
            file.close()
        return reader

    def _make_room(self, size: int) -> None:
        held = sorted(_held(self.folder))
        total = sum(own for _, own, _ in held) + size
        for _, own, path in held:
            if total <= self.limit:
                return
            if _remove(path):
                total -= own
        if total > self.limit:
            logger.warning(
                "the cache %s holds %.1f GB, more than its limit of %.1f GB: every file is in use",
                self.folder,
                total / 1e9,
                self.limit / 1e9,
            )


def _held(folder: Path) -> Iterator[tuple[float, int, Path]]:
    """Time of the last use, length in bytes, and path of each file."""
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            if path.suffix == ".lock":
                continue
            with contextlib.suppress(FileNotFoundError):
                status = path.stat()
                coming = path.suffix == _PART
                size = int(path.stem.rpartition(".")[2]) if coming else status.st_size
                yield status.st_mtime, size, path


def _open_shared(path: Path, size: int) -> BinaryIO | None:
    try:
        # Unbuffered: reads are at random positions.
        file = path.open("rb", buffering=0)
    except FileNotFoundError:
        return None
    _lock(file, shared=True)
    status = os.fstat(file.fileno())
    # It may have been removed between the two steps.
    if status.st_size != size or (fcntl and not status.st_nlink):
        file.close()
        return None
    with contextlib.suppress(OSError):
        os.utime(path)
    return file


def _remove(path: Path) -> bool:
    """Remove a file unless a process has it open."""
    try:
        with path.open("rb") as file:
            if fcntl and not _lock(file, shared=False):
                return False
            if fcntl:
                path.unlink()
        if not fcntl:
            path.unlink()
    except FileNotFoundError:
        return True
    except PermissionError:
        return False
    return True


def _lock(file: BinaryIO, *, shared: bool) -> bool:
    """Lock a file until it is closed; an exclusive lock is not waited for."""
    if not fcntl:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def user_cache() -> Path:
    """The default folder for copies of shards."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base, "vision", "shards")
