"""Random access to the images and masks of a folder of shards."""

import os
import tarfile
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO

from vision.data.images.read import EncodedImage
from vision.data.shards.cache import ShardCache
from vision.data.shards.index import HEADER, ShardIndex
from vision.data.shards.remote import is_remote, public
from vision.errors import DataError
from vision.program import command
from vision.reading import MAX_ARCHIVE_BYTES, open_file


class ShardReader:
    """Reads images and masks from shards, each with one read at a known place.

    Each process opens its own files when needed: a reader may be pickled, and used on both sides of
    a fork.

    Args:
        folder: The folder of the shards, a path or a URL.
        index: The index of the folder.
        cache: Keeps copies of remote shards; None for a local folder.
        max_open: Largest number of shards that a process has open.
    """

    def __init__(
        self, folder: str, index: ShardIndex, *, cache: ShardCache | None = None, max_open: int = 1
    ) -> None:
        self.folder = folder
        self.index = index
        self.cache = cache
        self.max_open = max_open
        self._files: OrderedDict[int, BinaryIO] = OrderedDict()
        self._owner = os.getpid()

    def read(self, sample: int) -> EncodedImage:
        """The bytes of an image, named by its shard and the member's name.

        Raises:
            DataError: The shard is absent, truncated, or not the one that the index describes.
        """
        return self._member(sample, "")

    def read_mask(self, sample: int) -> EncodedImage:
        """The bytes of a mask, named in the same way.

        Raises:
            DataError: As for `read`.
        """
        return self._member(sample, "mask_")

    def name(self, sample: int, *, mask: bool = False) -> str:
        """The name of an image as in `read`, or of a mask as in `read_mask`; it is not read."""
        shard, start, length = self._place(sample, "mask_" if mask else "")
        return name_of(self._bytes(shard, start, HEADER), length, self._where(shard), start)

    def _member(self, sample: int, part: str) -> EncodedImage:
        shard, start, length = self._place(sample, part)
        return member_of(self._bytes(shard, start, length), length, self._where(shard), start)

    def _place(self, sample: int, part: str) -> tuple[int, int, int]:
        """Number of a member's shard, offset of its header, and length of header and content."""
        sample = range(len(self.index))[sample]
        place = self.index.places[sample]
        # The header before a member holds its name, which is therefore not kept in memory.
        start, length = int(place[f"{part}offset"]) - HEADER, HEADER + int(place[f"{part}bytes"])
        return self.index.shard_of(sample), start, length

    def _where(self, shard: int) -> str:
        return f"{public(self.folder)}/{self.index.shards[shard].name}"

    def _bytes(self, shard: int, start: int, length: int) -> bytes:
        file = self._open(shard)
        try:
            file.seek(start)
            content = file.read(length)
            while len(content) < length and (more := file.read(length - len(content))):
                content += more
        except OSError as error:
            where = self._where(shard)
            raise DataError(f"shard '{where}' cannot be read at byte {start}: {error}.") from error
        return content

    def fetch(self, shard: int) -> None:
        """Copy a remote shard to the cache ahead of its use."""
        if self.cache:
            self._open_file(shard).close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_files": OrderedDict()}

    def _open(self, shard: int) -> BinaryIO:
        if self._owner != os.getpid():
            # After a fork the parent's files share one position with ours: they are not used.
            self._files, self._owner = OrderedDict(), os.getpid()
        if shard not in self._files:
            while len(self._files) >= self.max_open:
                self._files.popitem(last=False)[1].close()
            self._files[shard] = self._open_file(shard)
        self._files.move_to_end(shard)
        return self._files[shard]

    def _open_file(self, shard: int) -> BinaryIO:
        name, _, size = self.index.shards[shard]
        if is_remote(self.folder):
            assert self.cache, "a remote folder needs a cache"
            place = f"{self.index.key}/{name}"
            return self.cache.open(f"{self.folder}/{name}", place, size)
        path = Path(self.folder, name)
        if not os.path.lexists(path):
            raise DataError(
                f"there is no shard '{path.absolute()}', which the index lists. Copy it there, or "
                f"make the index again: `{command('shard')} index FOLDER`."
            )
        # Unbuffered: reads are at random positions.
        return open_file(path, max_bytes=MAX_ARCHIVE_BYTES, what="shard").detach()  # type: ignore[return-value]


def member_of(content: bytes, length: int, where: str, start: int) -> EncodedImage:
    """The image or mask in a piece of a shard.

    Args:
        content: A member's header and content.
        length: The length that it should have in bytes.
        where: The shard, for errors.
        start: Offset of the piece in the shard.

    Raises:
        DataError: It is shorter, or another member.
    """
    if len(content) < length:
        raise DataError(
            f"shard '{where}' is truncated: it ends at byte {start + len(content):,}, within the "
            f"member that the index has at bytes {start + HEADER:,} to {start + length:,}. Copy or "
            "download it again."
        )
    return EncodedImage(content[HEADER:], name_of(content[:HEADER], length, where, start))


def name_of(header: bytes, length: int, where: str, start: int) -> str:
    """The name of a member after its shard's name; arguments as in `member_of`.

    Raises:
        DataError: There is no such member.
    """
    try:
        member = tarfile.TarInfo.frombuf(header, "utf-8", "replace")
    except tarfile.HeaderError as error:
        found = str(error)
    else:
        if member.size == length - HEADER:
            return f"{where}/{member.name}"
        found = f"a file of {member.size:,} bytes"
    raise DataError(
        f"shard '{where}' is damaged, or not the one that the index describes: at byte {start:,} "
        f"there is {found}, expected a file of {length - HEADER:,} bytes. Copy or download it "
        f"again, or make the index again: `{command('shard')} index FOLDER`."
    )
