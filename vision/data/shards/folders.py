"""Indexing and checking of whole folders of shards, local or remote."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import PurePosixPath
from typing import IO, TypeVar

import numpy as np

from vision.data.images.read import decode_image
from vision.data.shards.contents import About
from vision.data.shards.datamodule import SPLITS
from vision.data.shards.forms import Form, find_form, sharded_kinds
from vision.data.shards.index import (
    ANNOTATIONS,
    HEADER,
    INDEX,
    ShardIndex,
    read_about,
    read_index,
    read_whole,
)
from vision.data.shards.reader import member_of
from vision.data.shards.remote import as_folder, is_remote, open_system, public, retried
from vision.data.shards.scan import FIELD, Scan, classes_of, merge_scans, scan_shard
from vision.documents.json_text import parse_json
from vision.errors import ConfigError, DataError
from vision.ops.label_images import decode_labels
from vision.reading import MAX_ARCHIVE_BYTES, open_file

_PACKED = (".tar.gz", ".tgz", ".tar.xz", ".tar.bz2", ".tar.zst")

A = TypeVar("A")
T = TypeVar("T")


def index_folder(
    root: str,
    *,
    class_names: Sequence[str] | None = None,
    kind: str | None = None,
    field: str = FIELD,
    workers: int = 1,
) -> dict[str, ShardIndex]:
    """Make the index of shards in the WebDataset layout, and write it beside them.

    Args:
        root: A folder or URL with shards, or with `train`, `val` and `test` that hold shards.
        class_names: The classes, by label; None uses the classes of an existing index, or the
            numbers or names that occur.
        kind: Kind of task that the shards are for, one with a `shard_form`; None uses the kind of
            an existing index, or the first one, labels.
        field: The field with the label, where labels are JSON.
        workers: Number of shards that are read in parallel.

    Returns:
        The index by folder.

    Raises:
        ConfigError: The classes are not known.
        DataError: There are no shards, or one is not in the expected layout.
    """
    shards = list_shards(as_folder(root))
    known = next(filter(None, map(_known, shards)), None)
    if known is None or (kind or known.kind) != known.kind:
        known = About((), kind or sharded_kinds()[0])
    form = find_form(known.kind)
    scans = {
        folder: list(in_parallel(workers, partial(_scan, folder, form=form, field=field), names))
        for folder, names in shards.items()
    }
    names = tuple(class_names or known.class_names)
    if not names and form.has_labels:
        names = classes_of(scans)
    elif not names:
        raise ConfigError(
            f"the names of the classes of shards for {known.kind} are not known: give them, a line "
            "each: --classes FILE."
        )
    if names != known.class_names:
        known = About(names, known.kind)
    indices = {
        folder: merge_scans(
            found,
            known._replace(
                annotations=_annotations(folder, known.kind) if form.has_annotations else None
            ),
        )
        for folder, found in scans.items()
    }
    for folder, index in indices.items():
        for name, content in index.encode().items():
            system, path = open_system(f"{folder}/{name}")
            system.pipe_file(path, content)
    return indices


def check_folder(root: str, *, field: str = FIELD, workers: int = 1) -> Iterator[str]:
    """Read every member of every shard, and compare with the index.

    Args:
        root: As for `index_folder`.
        field: The field with the label, where labels are JSON.
        workers: Number of shards that are read in parallel.

    Yields:
        A line for each problem.

    Raises:
        DataError: There are no shards, or no index.
    """
    for folder, names in list_shards(as_folder(root)).items():
        index = read_index(folder)
        listed = [shard.name for shard in index.shards]
        for name in sorted({*names} ^ {*listed}):
            what = "not in the index" if name in names else "absent"
            yield f"'{public(folder)}/{name}' is {what}."
        present = [i for i, name in enumerate(listed) if name in names]
        check = partial(_check_shard, folder, index, field=field)
        for problems in in_parallel(workers, check, present):
            yield from problems


def list_shards(root: str) -> dict[str, list[str]]:
    """The shards of a folder, or of the splits in it: folder to names in alphabetical order.

    Raises:
        DataError: There are none.
    """
    found = {}
    names = _names(root)
    for folder in [root, *(f"{root}/{split}" for split in SPLITS if split in names)]:
        inside = names if folder == root else _names(folder)
        if shards := sorted(name for name in inside if name.endswith(".tar")):
            found[folder] = shards
        elif packed := [name for name in inside if name.endswith(_PACKED)]:
            raise DataError(
                f"'{public(folder)}/{packed[0]}' is compressed, so that single images cannot be "
                "read. Unpack the shards (images are compressed already): gunzip *.tar.gz."
            )
    if not found:
        raise DataError(
            f"there are no *.tar in '{public(root)}' or in {', '.join(SPLITS)} within it."
        )
    return found


def _names(folder: str) -> list[str]:
    def read() -> list[str]:
        system, path = open_system(folder)
        return [PurePosixPath(str(name)).name for name in system.ls(path, detail=False)]

    try:
        return retried(folder, read) if is_remote(folder) else read()
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(f"there is no folder '{public(folder)}'.") from None


def _scan(folder: str, name: str, *, form: Form, field: str) -> Scan:
    def scan() -> Scan:
        with _opened(f"{folder}/{name}") as file:
            return scan_shard(file, f"{public(folder)}/{name}", form=form, field=field)

    return retried(f"{folder}/{name}", scan) if is_remote(folder) else scan()


def _known(folder: str) -> About | None:
    """The description in an existing index; None if it is absent or damaged."""
    try:
        return read_about(parse_json(read_whole(f"{folder}/{INDEX}"), "it"))
    except (FileNotFoundError, KeyError, TypeError, ValueError):
        return None


def _annotations(folder: str, kind: str) -> tuple[str, int]:
    """SHA-256 and length in bytes of the annotations beside shards."""
    where = f"{folder}/{ANNOTATIONS}"
    try:
        content = read_whole(where)
    except FileNotFoundError:
        raise DataError(
            f"there is no '{public(where)}': shards for {kind} need their annotations there, in "
            "COCO's format."
        ) from None
    return hashlib.sha256(content).hexdigest(), len(content)


def _opened(where: str) -> IO[bytes]:
    if not is_remote(where):
        return open_file(where, max_bytes=MAX_ARCHIVE_BYTES, what="shard")
    system, path = open_system(where)
    return system.open(path, "rb")


def _check_shard(folder: str, index: ShardIndex, number: int, *, field: str) -> list[str]:
    shard = index.shards[number]
    where = f"{public(folder)}/{shard.name}"
    places = index.places[slice(*index.starts[number : number + 2])]
    try:
        form = find_form(index.about.kind)
        scan = _scan(folder, shard.name, form=form, field=field)
        found = merge_scans([scan], index.about).places
    except DataError as error:
        return [str(error)]
    if scan.shard != shard or not np.array_equal(found, places):
        return [
            f"shard '{where}' is not the one that the index describes: it has {scan.shard.samples} "
            f"samples and {scan.shard.size:,} bytes, the index says {shard.samples} and "
            f"{shard.size:,}; or its images are at other places or have other labels."
        ]
    problems = []
    with _opened(f"{folder}/{shard.name}") as file:
        for place in places:
            for part in form.members.values():
                start = int(place[f"{part}offset"]) - HEADER
                length = HEADER + int(place[f"{part}bytes"])
                file.seek(start)
                try:
                    member = member_of(file.read(length), length, where, start)
                    _ = decode_labels(*member) if part else decode_image(member, strict=True)
                except DataError as error:
                    problems.append(str(error))
    return problems


def in_parallel(workers: int, action: Callable[[A], T], items: Iterable[A]) -> Iterator[T]:
    """The results for all items, in order, computed by threads; the first error ends it."""
    pool = ThreadPoolExecutor(workers)
    try:
        yield from pool.map(action, items)
    finally:
        pool.shutdown(cancel_futures=True)
