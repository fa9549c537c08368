"""Scanning of tar shards, to index existing ones and to check an index.

Members are grouped by webdataset's own rules; only their places are recorded here. Members are
never unpacked, and only the contents of labels and ids are read: text or JSON.
"""

import re
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import IO, Any, NamedTuple

import numpy as np

from vision.data.files.finding import IMAGE_SUFFIXES
from vision.data.files.safe_tar import Stream
from vision.data.shards.contents import About
from vision.data.shards.forms import Form, Members, find_form
from vision.data.shards.index import Shard, ShardIndex
from vision.errors import DataError, MissingPackageError, suggest
from vision.extras import install_line

# Default field of a JSON member that holds its label.
FIELD = "label"
# Numbers above it are names: no dataset has so many classes.
MAX_NUMBERED = 1_000_000
# Members that webdataset leaves out: __NAME__ and all in such a folder.
_META = re.compile(r"__[^/]*__($|/)")


class Scan(NamedTuple):
    """The contents of a shard.

    Attributes:
        shard: Name, number of samples and length of the shard.
        places: Place of each sample; a label is an index into `texts`.
        texts: The different labels as texts; empty for other kinds of task.
    """

    shard: Shard
    places: np.ndarray
    texts: list[str]


def scan_shard(file: IO[bytes], path: str, *, form: Form, field: str = FIELD) -> Scan:
    """Find the samples of a shard.

    Args:
        file: The shard, which must be seekable.
        path: Its path or URL, which ends with its name.
        form: What the samples have beside their images.
        field: The field with the label, where labels are JSON.

    Raises:
        DataError: The shard is damaged, or a sample does not have one image and one label, mask or
            id.
        MissingPackageError: webdataset is not installed.
    """
    stream = Stream(file, f"shard '{path}'")
    group = _grouping()
    members = _members(stream, path)
    places: list[tuple[int, ...]] = []
    texts: dict[str, int] = {}
    try:
        for sample in group(members):
            where = f"{path}/{sample['__key__']}"
            files = {suffix: sample[suffix] for suffix in sample if not suffix.startswith("__")}
            image = _image_of(files, where, form.expected)
            details = (
                texts.setdefault(value, len(texts)) if isinstance(value, str) else value
                for value in form.details(Members(file, files, where), field)
            )
            places.append((*image, *details))
    except tarfile.TarError as error:
        raise DataError(
            f"shard '{path}' is truncated or damaged: {error}. Copy or download it again."
        ) from error
    except ValueError as error:
        if isinstance(error, DataError):
            raise
        reason = str(error.args[0]) if error.args else "two members have one name"
        raise DataError(f"shard '{path}' is refused: {reason}.") from error
    shard = Shard(PurePosixPath(path).name, len(places), file.seek(0, 2))
    return Scan(shard, np.array(places, dtype=form.place), list(texts))


def classes_of(splits: Mapping[str, Sequence[Scan]]) -> tuple[str, ...]:
    """The classes in some shards: the numbers that occur, or the names in order."""
    found = {text for scans in splits.values() for scan in scans for text in scan.texts}
    return tuple(_classes(found))


def merge_scans(scans: Sequence[Scan], about: About) -> ShardIndex:
    """Make the index of a folder.

    Args:
        scans: The contents of its shards.
        about: The properties that all samples share.

    Raises:
        DataError: A label is not one of the classes.
    """
    names = about.class_names
    by_name = {name: label for label, name in enumerate(names)}
    form = find_form(about.kind)
    if form.has_labels:
        for scan in scans:
            labels = [_number(text, names, by_name, scan.shard.name) for text in scan.texts]
            scan.places["label"] = np.array(labels, dtype=np.int32)[scan.places["label"]]
    places = [np.empty(0, dtype=form.place), *(scan.places for scan in scans)]
    return ShardIndex([scan.shard for scan in scans], np.concatenate(places), about)


def _members(file: Stream, path: str) -> Iterator[dict[str, Any]]:
    """The files of a shard in webdataset's form, with their places instead of contents."""
    file.seek(0)
    with tarfile.open(fileobj=file, mode="r:", errors="replace") as tar:  # type: ignore[call-overload]
        while (member := tar.next()) is not None:
            tar.members.clear()  # which would collect all of them
            if member.issparse():
                raise tarfile.ReadError(f"its member '{member.name}' is a sparse file")
            if member.isreg() and not _META.match(member.name):
                place = (member.offset_data, member.size)
                yield {"fname": member.name, "data": place, "__url__": path}
        # tarfile ends silently at a damaged header, and at a cut between two members.
        file.seek(tar.offset)
        if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError(f"there is no member and no end mark at {tar.offset:,}")


def _image_of(files: Mapping[str, tuple[int, int]], where: str, expected: str) -> tuple[int, int]:
    images = [suffix for suffix in files if f".{suffix}" in IMAGE_SUFFIXES]
    if len(images) != 1:
        what = f"has {len(images)} images" if images else "has no image"
        raise DataError(
            f"sample '{where}' {what}: its members end in "
            f"{' '.join('.' + suffix for suffix in files)}. Expected KEY.jpg (or another of "
            f"{' '.join(IMAGE_SUFFIXES)}) and {expected}."
        )
    offset, size = files[images[0]]
    if not size:
        raise DataError(f"image '{where}.{images[0]}' is empty (0 bytes).")
    return offset, size


def _classes(texts: set[str]) -> list[str]:
    numbers = [_as_number(text) for text in texts]
    highest = max((number for number in numbers if number is not None), default=-1)
    if None in numbers or highest > MAX_NUMBERED:
        return sorted(texts)
    return [str(label) for label in range(highest + 1)]


def _number(text: str, names: Sequence[str], by_name: dict[str, int], shard: str) -> int:
    # Numbers have precedence over classes with such names: by convention .cls holds numbers.
    number = _as_number(text)
    if number is not None and number < len(names):
        return number
    if text in by_name:
        return by_name[text]
    raise DataError(
        f"shard '{shard}' has the label '{text}', which is not one of the {len(names)} classes."
        f"{suggest(text, names)} Give all classes, a line each: --classes FILE."
    )


def _as_number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _grouping() -> Any:
    try:
        from webdataset.tariterators import group_by_keys
    except ImportError:
        raise MissingPackageError(
            f"making and indexing shards needs webdataset: {install_line('streaming')}. "
            "(Training from shards that have an index does not.)"
        ) from None
    return group_by_keys
