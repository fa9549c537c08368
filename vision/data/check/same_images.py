"""Duplicate images in two splits or two classes, found by their content."""

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from vision.errors import DataError
from vision.reading import MAX_IMAGE_BYTES, open_file

# The last bytes of files of equal size are compared first: images differ there.
TAIL_BYTES = 4096


class ImageSource(NamedTuple):
    """The images of a split.

    Attributes:
        split: Its name.
        paths: The files.
        classes: Name of the class of each; empty where images have none.
    """

    split: str
    paths: Sequence[str]
    classes: Sequence[str] = ()

    def place(self, image: int) -> str:
        """The split and class of an image, in words."""
        return f"{self.split}, class '{self.classes[image]}'" if self.classes else self.split


def same_images(sources: Sequence[ImageSource]) -> Iterator[str]:
    """A line for each image that lies in two splits or in two classes.

    Files are compared whole, but only files with equal sizes and equal ends are read.

    Args:
        sources: The splits.
    """
    starts = np.cumsum([0, *(len(source.paths) for source in sources)])
    sizes = np.fromiter(
        (_size(path) for source in sources for path in source.paths), np.int64, count=starts[-1]
    )
    order = np.argsort(sizes, kind="stable")
    edges = [0, *(np.flatnonzero(np.diff(sizes[order])) + 1).tolist(), len(order)]
    for begin, end in pairwise(edges):
        if end - begin < 2 or sizes[order[begin]] < 0:
            continue
        places = [
            (
                source := int(np.searchsorted(starts, number, side="right")) - 1,
                number - starts[source],
            )
            for number in order[begin:end].tolist()
        ]
        yield from _lines_of(sources, places)


def _lines_of(sources: Sequence[ImageSource], places: Iterable[tuple[int, int]]) -> Iterator[str]:
    """A line for each group of equal images, among images of one size, across splits or classes."""
    for alike in _alike(sources, places, TAIL_BYTES):
        for equal in _alike(sources, alike, None):
            found: dict[str, str] = {}
            for source, image in equal:
                found.setdefault(sources[source].place(image), sources[source].paths[image])
            if len(found) > 1:
                (first, one), (second, other), *more = found.items()
                others = f" and {len(more)} more places" if more else ""
                yield f"'{one}' ({first}) and '{other}' ({second}){others} are the same image."


def _alike(
    sources: Sequence[ImageSource], places: Iterable[tuple[int, int]], tail: int | None
) -> Iterator[list[tuple[int, int]]]:
    """Groups of two or more images whose last bytes, or all where `tail` is None, are equal."""
    groups: dict[bytes, list[tuple[int, int]]] = defaultdict(list)
    for source, image in places:
        try:
            groups[_digest(sources[source].paths[image], tail)].append((source, image))
        except (DataError, OSError):
            continue  # reported where it is decoded
    yield from (group for group in groups.values() if len(group) > 1)


def _digest(path: str, tail: int | None) -> bytes:
    with open_file(path, max_bytes=MAX_IMAGE_BYTES, what="image") as file:
        if tail is not None:
            file.seek(max(0, os.fstat(file.fileno()).st_size - tail))
            return hashlib.sha256(file.read(tail)).digest()
        return hashlib.file_digest(file, "sha256").digest()


def _size(path: str) -> int:
    """Size of a file in bytes; -1 if it is absent or empty."""
    try:
        return os.stat(path).st_size or -1
    except OSError:
        return -1
