"""The index of a folder of tar shards: what lies where, in arrays.

A folder of shards holds `index.json` (format, version, kind of task, classes, and name, samples and
bytes of each shard) and `index.npy`: 16 to 24 bytes for each sample, in the order of the shards,
which say where in its shard the image lies, and what the form of the kind of task adds. A million
samples take 16 to 24 MB, which worker processes share.
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
from vision.data.shards.contents import About
from vision.data.shards.forms import find_form, sharded_kinds
from vision.data.shards.remote import is_remote, public, read_remote
from vision.documents.json_text import parse_json
from vision.errors import DataError
from vision.program import command
from vision.reading import MAX_TABLE_BYTES, read_file

INDEX = "index.json"
SAMPLES = "index.npy"
FORMAT = "vision-shards"
VERSION = 2
ANNOTATIONS = "annotations.json"
# A header of a tar member; the content follows it.
HEADER = 512
_NAME = re.compile(r"[^/\\:\0-\x1f.][^/\\:\0-\x1f]*\.tar")
# The keys of `index.json` for all samples, beside the classes.
_DETAILS = ("kind", "palette", "prediction_values", "annotations")


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
    """The contents of the shards in a folder.

    Args:
        shards: The shards.
        places: `Form.place` of each sample, `(N,)`, in the order of the shards.
        about: The properties that all samples share.

    Attributes:
        starts: int64 `(shards + 1,)`, number of the first sample of each shard; the last is N.
        key: A unique name of this index.

    Raises:
        DataError: The parts contradict each other.
    """

    def __init__(self, shards: Sequence[Shard], places: np.ndarray, about: About) -> None:
        self.shards = tuple(shards)
        self.places = places
        self.about = about
        self.starts = np.cumsum([0, *(shard.samples for shard in shards)], dtype=np.int64)
        if problem := self._problem():
            raise DataError(problem)
        text = json.dumps([self.shards, self.about]).encode()
        self.key = hashlib.sha256(text + places.tobytes()).hexdigest()[:16]

    @property
    def class_names(self) -> tuple[str, ...]:
        """Name of each class, by label."""
        return self.about.class_names

    def shard_of(self, sample: int) -> int:
        """Number of the shard that holds a sample."""
        return int(self.shards_of(np.array(sample)))

    def shards_of(self, samples: np.ndarray) -> np.ndarray:
        """Numbers of the shards that hold samples, int64 of the shape of `samples`."""
        return np.searchsorted(self.starts, samples, side="right") - 1

    def __len__(self) -> int:
        return len(self.places)

    def encode(self) -> dict[str, bytes]:
        """The files of the index: name to content, the one that refers to the other last."""
        with io.BytesIO() as file:
            np.save(file, self.places, allow_pickle=False)
            places = file.getvalue()
        table = {
            "format": FORMAT,
            "version": VERSION,
            "places_sha256": hashlib.sha256(places).hexdigest(),
            "places_bytes": len(places),
            "classes": self.class_names,
            **{key: value for key, value in self.about._asdict().items() if key in _DETAILS},
            "shards": [
                {"name": name, "samples": samples, "bytes": size}
                for name, samples, size in self.shards
            ],
        }
        return {SAMPLES: places, INDEX: (json.dumps(table, indent=1) + "\n").encode()}

    def _problem(self) -> str | None:
        for shard in self.shards:
            if not _NAME.fullmatch(shard.name):
                return f"{shard.name!r} is not a shard's name: expected NAME.tar, without a folder."
        if len(self) != self.starts[-1]:
            return f"there are {len(self)} places for {self.starts[-1]} samples."
        form = find_form(self.about.kind)
        for member, part in form.members.items():
            if not self._are_within(part):
                return f"{'an' if member == 'image' else 'a'} {member} lies outside its shard."
        classes = len(self.class_names)
        if form.has_labels:
            labels = self.places["label"]
            if np.any((labels < 0) | (labels >= classes)):
                return f"a label is outside 0..{classes - 1}."
        colors, values = self.about.palette, self.about.prediction_values
        if colors is not None and not (
            len(colors) == classes and all(len(c) == 3 and _are_bytes(c) for c in colors)
        ):
            return f"palette is not [R, G, B] of 0..255 for each of the {classes} classes."
        if values is not None and not (len(values) == classes and _are_bytes(values)):
            return f"prediction_values are not 0..255 for each of the {classes} classes."
        return None

    def _are_within(self, part: str) -> bool:
        """Whether the images, or the members with another prefix, are inside their shards."""
        offsets = self.places[f"{part}offset"]
        ends = offsets + self.places[f"{part}bytes"]
        sizes = np.repeat([s.size for s in self.shards], [s.samples for s in self.shards])
        return not np.any((offsets < HEADER) | (ends > sizes))


def read_index(folder: str, cache: ShardCache | None = None) -> ShardIndex:
    """Read and check the index of a folder.

    Args:
        folder: A path, or a URL.
        cache: Keeps a copy of a remote `index.npy`.

    Raises:
        DataError: There is no index, or it is malformed.
    """
    where = f"{folder}/{INDEX}"
    try:
        text = read_whole(where)
    except FileNotFoundError:
        raise DataError(
            f"there is no '{public(where)}'. Expected ROOT/train and ROOT/val (ROOT/test may be "
            f"there too), each with {INDEX}, {SAMPLES} and *.tar. "
            f"`{command('shard')} make` writes them; for shards that you have, "
            f"`{command('shard')} index ROOT`."
        ) from None
    try:
        table = parse_json(text, "it")
        if (table["format"], table["version"]) != (FORMAT, VERSION):
            raise ValueError(f"its format is {table['format']!r} version {table['version']!r}")
        shards = [
            Shard(str(s["name"]), int(s["samples"]), int(s["bytes"])) for s in table["shards"]
        ]
        about = read_about(table)
        places = _read_places(folder, table, about.kind, cache)
        return ShardIndex(shards, places, about)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"'{public(where)}' is not a valid index ({FORMAT!r} version {VERSION}): "
            f"{_described(error)} Make it again: `{command('shard')} index FOLDER`."
        ) from error


def read_about(table: Any) -> About:
    """Read the properties of all samples from `index.json`.

    Raises:
        ValueError: A value is invalid; likewise `KeyError` or `TypeError`.
    """
    if (kind := table["kind"]) not in sharded_kinds():
        raise ValueError(f"its kind is {kind!r}, expected one of {', '.join(sharded_kinds())}")
    palette, values, annotations = (table[key] for key in _DETAILS[1:])
    if annotations is not None:
        digest, size = annotations
        annotations = (_sha256(digest, "annotations"), int(size))
    if (annotations is None) == (has_annotations := find_form(kind).has_annotations):
        raise ValueError(
            f"shards for {kind} have {'an' if has_annotations else 'no'} {ANNOTATIONS}"
        )
    return About(
        tuple(str(name) for name in table["classes"]),
        kind,
        None if palette is None else tuple(map(tuple, palette)),
        None if values is None else tuple(values),
        annotations,
    )


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


def _read_places(folder: str, table: Any, kind: str, cache: ShardCache | None) -> np.ndarray:
    where, digest = f"{folder}/{SAMPLES}", _sha256(table["places_sha256"], "places_sha256")
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
    expected = find_form(kind).place
    if places.dtype != expected or places.ndim != 1:
        raise ValueError(f"'{public(where)}' holds {places.dtype}, expected {expected}.")
    return places


def _sha256(text: Any, key: str) -> str:
    if not isinstance(text, str) or not re.fullmatch(r"[0-9a-f]{64}", text):
        raise ValueError(f"{key} is not a SHA-256.")
    return text


def _are_bytes(values: Sequence[Any]) -> bool:
    return all(type(value) is int and 0 <= value <= 255 for value in values)


def _described(error: Exception) -> str:
    return f"{error} is absent." if isinstance(error, KeyError) else str(error)
