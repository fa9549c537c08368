"""The index of a folder of tar shards: what lies where, in arrays.

A folder of shards holds `index.json` (format, version, classes, and name, samples and bytes of each
shard) and `index.npy`: 16 bytes for each sample, in the order of the shards, which say where in its
shard the image lies and what its label is. Nothing else need be known to read any sample, and a
million samples take 16 MB, which worker processes share.
"""

import errno
import hashlib
import io
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vision.data.files.mapped_arrays import parse_array
from vision.data.shards.cache import ShardCache
from vision.data.shards.remote import is_remote, public, read_remote
from vision.documents.json_text import parse_json
from vision.errors import DataError
from vision.reading import MAX_TABLE_BYTES, read_file

INDEX = "index.json"
SAMPLES = "index.npy"
FORMAT = "vision-shards"
VERSION = 1
# Where the image begins in its shard, its length, and its class.
PLACE = np.dtype([("offset", "<i8"), ("bytes", "<u4"), ("label", "<i4")])
# A header of a tar member; the content follows it.
HEADER = 512
_NAME = re.compile(r"[^/\\:\0-\x1f.][^/\\:\0-\x1f]*\.tar")
_REMEDY = "Make it again: python tools/shard.py index FOLDER."


class Shard(NamedTuple):
    """One shard.

    Attributes:
        name: Its file name.
        samples: Number of samples in it.
        size: Its length in bytes.
    """

    name: str
    samples: int
    size: int


class ShardIndex:
    """What the shards of one folder hold.

    Args:
        shards: The shards.
        places: `PLACE` `(N,)`, one for each sample, in the order of the shards.
        class_names: Name of each class, by label.

    Attributes:
        starts: int64 `(shards + 1,)`, number of the first sample of each shard; the last is N.
        key: A name for exactly this index.

    Raises:
        DataError: The parts contradict each other.
    """

    def __init__(
        self, shards: Sequence[Shard], places: np.ndarray, class_names: Sequence[str]
    ) -> None:
        self.shards = tuple(shards)
        self.places = places
        self.class_names = tuple(class_names)
        self.starts = np.cumsum([0, *(shard.samples for shard in shards)], dtype=np.int64)
        if problem := self._problem():
            raise DataError(problem)
        text = json.dumps([self.shards, self.class_names]).encode()
        self.key = hashlib.sha256(text + places.tobytes()).hexdigest()[:16]

    def shard_of(self, sample: int) -> int:
        """Number of the shard that holds a sample."""
        return int(np.searchsorted(self.starts, sample, side="right")) - 1

    def __len__(self) -> int:
        return len(self.places)

    def encode(self) -> dict[str, bytes]:
        """The files of the index: name to content, the one that others refer to last."""
        with io.BytesIO() as file:
            np.save(file, self.places, allow_pickle=False)
            places = file.getvalue()
        table = {
            "format": FORMAT,
            "version": VERSION,
            "places_sha256": hashlib.sha256(places).hexdigest(),
            "places_bytes": len(places),
            "classes": self.class_names,
            "shards": [
                {"name": name, "samples": samples, "bytes": size}
                for name, samples, size in self.shards
            ],
        }
        return {SAMPLES: places, INDEX: (json.dumps(table, indent=1) + "\n").encode()}

    def _problem(self) -> str | None:
        for shard in self.shards:
            if not _NAME.fullmatch(shard.name):
                return f"{shard.name!r} is no name of a shard: expected NAME.tar, without a folder."
        if len(self) != self.starts[-1]:
            return f"there are {len(self)} places for {self.starts[-1]} samples."
        ends = self.places["offset"] + self.places["bytes"]
        sizes = np.repeat([s.size for s in self.shards], [s.samples for s in self.shards])
        if np.any((self.places["offset"] < HEADER) | (ends > sizes)):
            return "an image lies outside its shard."
        labels = self.places["label"]
        if np.any((labels < 0) | (labels >= len(self.class_names))):
            return f"a label is outside 0..{len(self.class_names) - 1}."
        return None


def read_index(folder: str, cache: ShardCache | None = None) -> ShardIndex:
    """Read and check the index of a folder.

    Args:
        folder: A path, or a URL.
        cache: Keeps a copy of a remote `index.npy`.

    Raises:
        DataError: There is no index, or it is not what it should be.
    """
    where = f"{folder}/{INDEX}"
    try:
        text = read_whole(where)
    except FileNotFoundError:
        raise DataError(
            f"there is no '{public(where)}'. Expected ROOT/train and ROOT/val (ROOT/test may be "
            f"there too), each with {INDEX}, {SAMPLES} and *.tar. tools/shard.py make writes them; "
            "for shards that you have, python tools/shard.py index ROOT."
        ) from None
    try:
        table = parse_json(text, "it")
        if (table["format"], table["version"]) != (FORMAT, VERSION):
            raise ValueError(f"it is {table['format']!r} version {table['version']!r}")
        shards = [
            Shard(str(s["name"]), int(s["samples"]), int(s["bytes"])) for s in table["shards"]
        ]
        places = _read_places(folder, table, cache)
        return ShardIndex(shards, places, [str(name) for name in table["classes"]])
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"'{public(where)}' is not a proper index ({FORMAT!r} version {VERSION}): "
            f"{_described(error)} {_REMEDY}"
        ) from error


def read_whole(where: str) -> bytes:
    """The contents of a small file of a folder of shards, a path or a URL.

    Raises:
        FileNotFoundError: There is no such file.
        DataError: It cannot be read, or is not a regular file.
    """
    if is_remote(where):
        return read_remote(where)
    if not os.path.lexists(where):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), where)
    return read_file(where, max_bytes=MAX_TABLE_BYTES)


def has_index(folder: str) -> bool:
    """Whether a folder holds an index."""
    where = f"{folder}/{INDEX}"
    if not is_remote(where):
        return Path(where).is_file()
    try:
        read_remote(where)
    except FileNotFoundError:
        return False
    return True


def _read_places(folder: str, table: Any, cache: ShardCache | None) -> np.ndarray:
    where, digest = f"{folder}/{SAMPLES}", str(table["places_sha256"])
    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise ValueError("places_sha256 is no SHA-256.")
    try:
        if cache and is_remote(where):
            with cache.open(where, f"{digest}.npy", int(table["places_bytes"])) as file:
                content = file.read()
        else:
            content = read_whole(where)
    except FileNotFoundError as error:
        raise ValueError(f"'{public(where)}' cannot be read: {error.strerror}.") from error
    if hashlib.sha256(content).hexdigest() != digest:
        raise ValueError(f"'{public(where)}' does not belong to it (another SHA-256).")
    places = parse_array(content, f"'{public(where)}'")
    if places.dtype != PLACE or places.ndim != 1:
        raise ValueError(f"'{public(where)}' holds {places.dtype}, expected {PLACE}.")
    return places


def _described(error: Exception) -> str:
    return f"{error} is absent." if isinstance(error, KeyError) else str(error)
