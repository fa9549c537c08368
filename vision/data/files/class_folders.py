"""Images in one folder per class: finding them."""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np

from vision.data.files.finding import IMAGE_SUFFIXES, PathList, find_images, list_folders
from vision.errors import DataError, listed, suggest
from vision.wording import counted

logger = logging.getLogger(__name__)

SUFFIXES = f"Suffixes of images: {' '.join(IMAGE_SUFFIXES)}."
# How many names an error or a log line lists.
MAX_NAMED = 5


class LabelledFiles(NamedTuple):
    """Image files and their classes, in arrays.

    Attributes:
        paths: The files.
        labels: int64 `(N,)`, class of each file; or bool `(N, K)`, which of K classes it has.
    """

    paths: PathList
    labels: np.ndarray

    def take(self, chosen: np.ndarray) -> Self:
        """The files of these indices."""
        return type(self)(PathList(self.paths[i] for i in chosen), self.labels[chosen])


def scan_classes(folder: Path, class_names: Sequence[str]) -> LabelledFiles:
    """Find the images of every class.

    Args:
        folder: The folder of the class folders.
        class_names: The classes, by label; some may be absent from `folder`.

    Returns:
        The files in the order of the labels, then of their names.

    Raises:
        DataError: `folder` has a class folder of another name or an empty one, or has no images.
    """
    present = set(list_folders(folder))
    if unknown := sorted(present.difference(class_names)):
        raise DataError(
            f"'{folder.resolve()}' has the class {listed(map(repr, unknown))}, which the "
            f"training set lacks.{suggest(unknown[0], class_names)} The training set has "
            f"{counted(len(class_names), 'classes')}: {listed(map(repr, class_names))}."
        )
    counts, ignored = [], Counter[str]()

    def found() -> Iterator[str]:
        for name in class_names:
            images = find_images(folder / name, ignored) if name in present else []
            counts.append(len(images))
            yield from images

    paths = PathList(found())
    empty = [name for name, count in zip(class_names, counts, strict=True) if not count]
    if not len(paths):
        raise DataError(
            f"there are no images in the {len(present)} class folders of '{folder.resolve()}'"
            f"{other_files(ignored)}. {SUFFIXES}"
        )
    if bare := [name for name in empty if name in present]:
        raise DataError(
            f"'{folder.resolve()}' has class folders without images: {listed(map(repr, bare))}"
            f"{other_files(ignored)}. Fill them or delete them. {SUFFIXES}"
        )
    if empty:
        logger.warning("%s has no images of the classes %s", folder, listed(map(repr, empty)))
    log_ignored(folder, ignored)
    return LabelledFiles(paths, np.repeat(np.arange(len(counts)), counts))


def folder_problems(folder: Path, class_names: Sequence[str]) -> Iterator[str]:
    """All problems for which `scan_classes` refuses a folder, a line for each class folder."""
    for name in list_folders(folder):
        inside = folder.resolve() / name
        if name not in class_names:
            near = suggest(name, class_names)
            yield f"'{inside}' is a class that the training set lacks.{near}"
        elif not find_images(folder / name):
            yield f"'{inside}' has no images. Fill it or delete it. {SUFFIXES}"


def loose_images(folder: Path) -> Iterator[str]:
    """A line if images lie outside of the class folders, where they are not read."""
    loose = [path for path in find_images(folder) if Path(path).parent == folder]
    if loose:
        yield (
            f"'{folder.resolve()}' has {counted(len(loose), 'images')} outside of every class "
            f"folder, such as '{loose[0]}': they are not read."
        )


def log_ignored(folder: Path, ignored: Counter[str]) -> None:
    """Warn of the files in a folder whose suffix is not one of an image."""
    if ignored:
        logger.warning(
            "ignored %d files in %s that are not images by their suffix: %s",
            ignored.total(),
            folder,
            _counts(ignored),
        )


def other_files(ignored: Counter[str]) -> str:
    """Part of an error that counts the files whose suffix is not one of an image."""
    return f", but {ignored.total()} other files: {_counts(ignored)}" if ignored else ""


def _counts(ignored: Counter[str]) -> str:
    return ", ".join(f"{count} {suffix}" for suffix, count in ignored.most_common(MAX_NAMED))
