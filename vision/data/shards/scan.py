"""Find what tar shards hold: the index of shards that are there already, and its check.

Which members belong together is decided by webdataset's own rules; only where they lie is noted
here. Members are never unpacked, and of their contents only labels and ids are read: text or JSON.
"""

import re
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import IO, Any, NamedTuple

import numpy as np

from vision.annotations.columns import identity
from vision.data.files.finding import IMAGE_SUFFIXES
from vision.data.files.safe_tar import Stream
from vision.data.shards.index import PLACES, About, Shard, ShardIndex
from vision.documents.json_text import parse_json
from vision.errors import DataError, MissingPackageError, suggest

# Suffixes of members with a label: a number or a name; JSON with such a field.
LABEL, JSON = "cls", "json"
FIELD = "label"
# That of a mask of class indices. In shards for detection the JSON holds the entry of the image in
# COCO's format, and its annotations.
MASK = "mask.png"
ENTRY, OBJECTS = "image", "annotations"
_LONGEST_LABEL = 1 << 20  # bytes
_LONGEST_ENTRY = 1 << 28
# Numbers above it are names: no data have so many classes.
MAX_NUMBERED = 1_000_000
# What webdataset leaves out: __NAME__ and what is in such a folder.
_META = re.compile(r"__[^/]*__($|/)")


class Scan(NamedTuple):
    """What a shard holds.

    Attributes:
        shard: Name, number of samples and length of the shard.
        places: Place of each sample; a label is a position in `texts`.
        texts: The different labels, as they are written; none of other kinds.
    """

    shard: Shard
    places: np.ndarray
    texts: list[str]


def scan_shard(
    file: IO[bytes], path: str, *, kind: str = "classification", field: str = FIELD
) -> Scan:
    """Find the samples of a shard.

    Args:
        file: The shard, which can be searched.
        path: Its path or URL; the name is taken from it.
        kind: Name of the task that the samples are for.
        field: The field with the label, where labels are JSON.

    Raises:
        DataError: The shard is damaged, or a sample has no image, or no label, mask or id, or
            several.
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
            image = _image_of(sample, where)
            if kind == "segmentation":
                places.append((*image, *_mask_of(sample, where)))
            elif kind == "detection":
                places.append((*image, _id_of(stream, sample, where)))
            else:
                text = _label_of(stream, sample, where, field)
                places.append((*image, texts.setdefault(text, len(texts))))
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
    return Scan(shard, np.array(places, dtype=PLACES[kind]), list(texts))


def classes_of(splits: Mapping[str, Sequence[Scan]]) -> tuple[str, ...]:
    """The classes that some shards have: the numbers that occur, or the names in their order."""
    found = {text for scans in splits.values() for scan in scans for text in scan.texts}
    return tuple(_classes(found))


def merge_scans(scans: Sequence[Scan], about: About) -> ShardIndex:
    """Make the index of a folder.

    Args:
        scans: What its shards hold.
        about: What all samples have in common.

    Raises:
        DataError: A label is not one of the classes.
    """
    names = about.class_names
    by_name = {name: label for label, name in enumerate(names)}
    if about.kind == "classification":
        for scan in scans:
            labels = [_number(text, names, by_name, scan.shard.name) for text in scan.texts]
            scan.places["label"] = np.array(labels, dtype=np.int32)[scan.places["label"]]
    places = [np.empty(0, dtype=PLACES[about.kind]), *(scan.places for scan in scans)]
    return ShardIndex([scan.shard for scan in scans], np.concatenate(places), about)


def _members(file: Stream, path: str) -> Iterator[dict[str, Any]]:
    """The files of a shard in the form that webdataset groups, their places for contents."""
    file.seek(0)
    with tarfile.open(fileobj=file, mode="r:", errors="replace") as tar:  # type: ignore[call-overload]
        while (member := tar.next()) is not None:
            tar.members.clear()  # it would keep all of them
            if member.issparse():
                raise tarfile.ReadError(f"its member '{member.name}' is a sparse file")
            if member.isreg() and not _META.match(member.name):
                place = (member.offset_data, member.size)
                yield {"fname": member.name, "data": place, "__url__": path}
        # It ends quietly at a damaged header, and at a cut between two members.
        file.seek(tar.offset)
        if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError(f"there is neither a member nor the end mark at {tar.offset:,}")


def _image_of(sample: dict[str, Any], where: str) -> tuple[int, int]:
    suffixes = [key for key in sample if not key.startswith("__")]
    images = [suffix for suffix in suffixes if f".{suffix}" in IMAGE_SUFFIXES]
    if len(images) != 1:
        what = f"has {len(images)} images" if images else "has no image"
        raise DataError(
            f"sample '{where}' {what}: its members end in "
            f"{' '.join('.' + suffix for suffix in suffixes)}. Expected KEY.jpg (or another of "
            f"{' '.join(IMAGE_SUFFIXES)}) and KEY.{LABEL}, KEY.{JSON} or KEY.{MASK}."
        )
    offset, size = sample[images[0]]
    if not size:
        raise DataError(f"image '{where}.{images[0]}' is empty (0 bytes).")
    return offset, size


def _mask_of(sample: dict[str, Any], where: str) -> tuple[int, int]:
    """Length of a mask, and where it lies."""
    if MASK not in sample:
        raise DataError(
            f"sample '{where}' has no mask: expected {PurePosixPath(where).name}.{MASK}, a grey "
            "PNG of class indices, with 255 for ignored pixels."
        )
    offset, size = sample[MASK]
    return size, offset


def _id_of(file: Stream, sample: dict[str, Any], where: str) -> int:
    """The id of an image in the annotations."""
    contents = None
    if JSON in sample:
        offset, size = sample[JSON]
        if size <= _LONGEST_ENTRY:
            file.seek(offset)
            contents = parse_json(file.read(size), f"'{where}.{JSON}'", finite=False, bulk=True)
    entry = contents.get(ENTRY) if isinstance(contents, Mapping) else None
    number = identity(entry.get("id")) if isinstance(entry, Mapping) else None
    if number is None:
        raise DataError(
            f"sample '{where}' has no id: expected {PurePosixPath(where).name}.{JSON} with "
            f'{{"{ENTRY}": {{"id": NUMBER, ...}}, "{OBJECTS}": [...]}}, entries of a COCO file.'
        )
    return number


def _label_of(file: Stream, sample: dict[str, Any], where: str, field: str) -> str:
    suffix = next((suffix for suffix in (LABEL, JSON) if suffix in sample), None)
    if suffix is None:
        raise DataError(
            f"sample '{where}' has no label: expected {PurePosixPath(where).name}.{LABEL} with a "
            f"number or the name of a class, or .{JSON} with the field '{field}'."
        )
    offset, size = sample[suffix]
    if size > _LONGEST_LABEL:
        raise DataError(f"'{where}.{suffix}' is no label: it has {size:,} bytes.")
    file.seek(offset)
    try:
        text = file.read(size).decode()
        contents = parse_json(text, "it") if suffix == JSON else {field: text.strip()}
        label = contents[field]
    except KeyError:
        near = suggest(field, contents)
        raise DataError(
            f"'{where}.{suffix}' has no field '{field}'.{near} Name the field with the label: "
            "--field NAME."
        ) from None
    except (ValueError, TypeError) as error:
        raise DataError(f"'{where}.{suffix}' cannot be read as a label: {error}.") from error
    if isinstance(label, bool) or not isinstance(label, str | int) or label == "":
        raise DataError(
            f"'{where}.{suffix}' is no label: expected a number or the name of a class, got "
            f"{label!r}."
        )
    return str(label)


def _classes(texts: set[str]) -> list[str]:
    numbers = [_as_number(text) for text in texts]
    highest = max((number for number in numbers if number is not None), default=-1)
    if None in numbers or highest > MAX_NUMBERED:
        return sorted(texts)
    return [str(label) for label in range(highest + 1)]


def _number(text: str, names: Sequence[str], by_name: dict[str, int], shard: str) -> int:
    # A number comes first, even if a class has such a name: by convention .cls holds numbers.
    number = _as_number(text)
    if number is not None and number < len(names):
        return number
    if text in by_name:
        return by_name[text]
    raise DataError(
        f"shard '{shard}' has the label '{text}', which is none of the {len(names)} classes."
        f"{suggest(text, names)} Give all classes, a line each: --classes FILE."
    )


def _as_number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _grouping() -> Any:
    try:
        from webdataset.tariterators import group_by_keys
    except ImportError:
        raise MissingPackageError(
            "making and indexing shards needs webdataset: pip install webdataset. (Training from "
            "shards that have an index does not.)"
        ) from None
    return group_by_keys
