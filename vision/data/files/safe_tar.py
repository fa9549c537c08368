"""Safe streaming of tar archives from untrusted or interrupted downloads.

Members are only streamed; nothing is unpacked here. `tarfile` ends silently at a damaged header and
at a cut between two members: here both are errors that name the archive and the member.
"""

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from vision.errors import DataError
from vision.reading import MAX_ARCHIVE_BYTES, open_file

_DAMAGE = (tarfile.TarError, EOFError, zlib.error, OSError)
_END = bytes(tarfile.BLOCKSIZE)  # an archive ends with empty blocks
_DRAIN = 1 << 20  # bytes
MAX_MEMBER_BYTES = 2**30  # of one image; CIFAR's largest file has 0.15 GB
# Bytes that may be read at once: a header can claim any length of a name or comment.
MAX_READ_BYTES = 2**28
# Empty blocks that may follow the end mark.
MAX_PADDING_BYTES = 2**26


class Stream:
    """A file to read, whose errors name its place.

    Attributes:
        place: The file, and the archive that it is in.
        last: The bytes that were read last.
    """

    def __init__(self, file: IO[bytes], place: str) -> None:
        self._file = file
        self.place = place
        self.last = b""

    def read(self, size: int = -1, /) -> bytes:
        """Read up to `size` bytes; by default all that is left.

        Raises:
            DataError: The archive ends too early, is damaged, or cannot be read; or more than
                `MAX_READ_BYTES` would be read at once.
        """
        within = 0 <= size <= MAX_READ_BYTES
        with _named(self.place):
            self.last = self._file.read(size if within else MAX_READ_BYTES + 1)
        if len(self.last) > MAX_READ_BYTES:
            raise DataError(
                f"{self.place} is refused: over {MAX_READ_BYTES:,} bytes would have to be held "
                "at once, which no official archive needs. Use the original archive."
            )
        return self.last

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to a position; backwards is slow in a compressed archive."""
        with _named(self.place):
            return self._file.seek(offset, whence)

    def seekable(self) -> bool:
        """Whether `seek` works."""
        return self._file.seekable()

    def tell(self) -> int:
        """The position in bytes."""
        return self._file.tell()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


@contextmanager
def open_archive(path: Path) -> Iterator[Stream]:
    """Open a tar archive for `iter_files`; gzip is recognised by the content.

    Raises:
        DataError: There is no such file, or it is not a regular one.
    """
    with open_file(path, max_bytes=MAX_ARCHIVE_BYTES, what="archive") as file:
        is_gzip = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        if is_gzip:
            with gzip.open(file) as unzipped:
                yield Stream(unzipped, f"'{path}'")  # type: ignore[arg-type]
        else:
            yield Stream(file, f"'{path}'")


def iter_files(
    archive: Stream, *, max_bytes: int = MAX_MEMBER_BYTES
) -> Iterator[tuple[str, Stream]]:
    """Iterate over the regular files of a tar archive, in the archive's order.

    Args:
        archive: The archive, which may itself be a member of another one.
        max_bytes: Largest size of a file.

    Yields:
        The name of each file, such as `"folder/file"`, and its content, which is valid until the
        next file is asked for. Directories are left out.

    Raises:
        DataError: The archive is truncated or damaged; a member is a link or a device, is larger
            than `max_bytes`, or its name leads out of the folder.
    """
    with _named(archive.place), tarfile.open(fileobj=archive, mode="r:") as tar:  # type: ignore[call-overload]
        while (member := tar.next()) is not None:
            if not member.isdir():
                _check(member, archive.place, max_bytes)
                content = tar.extractfile(member)
                assert content is not None, "a regular file has content"
                yield _plain(member.name), Stream(content, f"'{member.name}' in {archive.place}")
        last = tar.members[-1].name if tar.members else None
        if archive.last != _END:
            after = f" after its member '{last}'" if last else ""
            raise tarfile.ReadError(f"it has no end mark{after}")
        # The checksum of a gzipped archive comes last.
        padding = 0
        while rest := archive.read(_DRAIN):
            padding += len(rest)
            if padding > MAX_PADDING_BYTES:
                raise tarfile.ReadError(f"more than {padding:,} bytes follow its end mark")


def _check(member: tarfile.TarInfo, place: str, max_bytes: int) -> None:
    path = PurePosixPath(member.name)
    if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
        what = "a link" if member.islnk() or member.issym() else "a device or special file"
    elif path.is_absolute() or ".." in path.parts or "\\" in member.name or ":" in member.name:
        what = "a path that leads elsewhere"
    elif not 0 <= member.size <= max_bytes:
        what = f"of {member.size:,} bytes"
    else:
        return
    raise DataError(
        f"{place} is refused: its member '{member.name}' is {what}, which official archives do not "
        "have. Use the original archive."
    )


def _plain(name: str) -> str:
    return str(PurePosixPath(name))  # without "./"


@contextmanager
def _named(place: str) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        reason = str(error).rstrip(".") or type(error).__name__
        raise DataError(
            f"{place} is truncated or damaged: {reason}. Compare its size and checksum with its "
            "source, and download it again."
        ) from error
