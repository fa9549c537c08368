"""Find what tar shards hold: the index of shards that are there already, and its check.

Which members belong together is decided by webdataset's own rules; only where they lie is noted
here. Members are never unpacked, and of their contents only labels are read: text or JSON.
"""

import re
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import IO, Any, NamedTuple

import numpy as np

from vision.data.files.finding import IMAGE_SUFFIXES
from vision.data.files.safe_tar import Stream
from vision.data.shards.index import PLACE, Shard, ShardIndex
from vision.documents.json_text import parse_json
from vision.errors import DataError, MissingPackageError, suggest

# Suffixes of members with a label: a number or a name; JSON with such a field.
LABEL, JSON = "cls", "json"
FIELD = "label"
_LONGEST_LABEL = 1 << 20  # bytes
# Numbers above it are names: no data have so many classes.
MAX_NUMBERED = 1_000_000
# What webdataset leaves out: __NAME__ and what is in such a folder.
_META = re.compile(r"__[^/]*__($|/)")


class Scan(NamedTuple):
    """What a shard holds.

    Attributes:
        shard: Name, number of samples and length of the shard.
        places: `PLACE` of each sample; its label is a position in `texts`.
        texts: The different labels, as they are written.
    """

    shard: Shard
    places: np.ndarray
    texts: list[str]


def scan_shard(file: IO[bytes], path: str, *, field: str = FIELD) -> Scan:
    """Find the samples of a shard.

    Args:
        file: The shard, which can be searched.
        path: Its path or URL; the name is taken from it.
        field: The field with the label, where labels are JSON.

    Raises:
        DataError: The shard is damaged, or a sample has no image or no label, or several.
        MissingPackageError: webdataset is not installed.
    """
    stream = Stream(file, f"shard '{path}'")
    group = _grouping()
    members = _members(stream, path)
    places: list[tuple[int, int, int]] = []
    texts: dict[str, int] = {}
    try:
        for sample in group(members):
            where = f"{path}/{sample['__key__']}"
            offset, size = _image_of(sample, where)
            text = _label_of(stream, sample, where, field)
            places.append((offset, size, texts.setdefault(text, len(texts))))
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
    return Scan(shard, np.array(places, dtype=PLACE), list(texts))


def merge_scans(
    splits: dict[str, list[Scan]], class_names: Sequence[str] | None = None
) -> dict[str, ShardIndex]:
    """Make the indices of all splits, with the same classes.

    Args:
        splits: What the shards of each split hold.
        class_names: The classes; None takes the numbers that occur, or the names in alphabetical
            order.

    Raises:
        DataError: A label is not one of the classes.
    """
    found = {text for scans in splits.values() for scan in scans for text in scan.texts}
    names = _classes(found) if class_names is None else list(class_names)
    by_name = {name: label for label, name in enumerate(names)}
    indices = {}
    for split, scans in splits.items():
        for scan in scans:
            labels = [_number(text, names, by_name, scan.shard.name) for text in scan.texts]
            scan.places["label"] = np.array(labels, dtype=np.int32)[scan.places["label"]]
        places = [np.empty(0, dtype=PLACE), *(scan.places for scan in scans)]
        indices[split] = ShardIndex([s.shard for s in scans], np.concatenate(places), names)
    return indices


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
            f"{' '.join(IMAGE_SUFFIXES)}) and KEY.{LABEL} or KEY.{JSON}."
        )
    offset, size = sample[images[0]]
    if not size:
        raise DataError(f"image '{where}.{images[0]}' is empty (0 bytes).")
    return offset, size


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
