"""Pairing of images and masks by their names."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vision.data.files.class_folders import SUFFIXES, log_ignored, other_files
from vision.data.files.finding import (
    IMAGE_SUFFIXES,
    PathList,
    find_images,
    require_folder,
    walk_folders,
)
from vision.data.index.segmentation import SegmentationIndex
from vision.errors import DataError, suggest

MASK_SUFFIX = ".png"
# Maximum number of files for which the nearest name is suggested; thousands would take minutes.
MAX_SUGGESTED = 5


@dataclass(frozen=True)
class Pairs:
    """The paired files of two folders.

    Attributes:
        index: The pairs, in alphabetical order of the images.
        problems: The problem of each unpaired file.
    """

    index: SegmentationIndex
    problems: list[str]

    def heading(self, where: str) -> str:
        """The first line of an error, for the files of a place."""
        return f"{len(self.problems):,} files of {where} are not paired"


def pair_masks(images: Path, masks: Path, expected: str = "") -> Pairs:
    """Find the mask of each image: the file with the same relative path, except the suffix.

    Args:
        images: Folder of images, nested or not.
        masks: Folder of masks, `.png` files, nested alike.
        expected: The expected tree, for the end of errors.

    Raises:
        DataError: A folder is absent, or there is no image.
    """
    found, paths, problems = pair_folders(images, masks, expected=expected)
    return Pairs(SegmentationIndex(images=PathList(found), masks=PathList(paths)), problems)


def pair_folders(
    images: Path,
    others: Path,
    *,
    suffixes: Sequence[str] = (MASK_SUFFIX,),
    what: str = "mask",
    kind: str = "a PNG file",
    expected: str = "",
) -> tuple[list[str], list[str], list[str]]:
    """Find the file of each image in another folder: the same relative path, except the suffix.

    Args:
        images: Folder of images, nested or not.
        others: The other folder, nested alike.
        suffixes: Suffixes of its files.
        what: What messages call one of them.
        kind: What they call its format.
        expected: The expected tree, for the end of errors.

    Returns:
        The images that have a file, these files, and the problem of each unpaired file.

    Raises:
        DataError: A folder is absent, or there is no image.
    """
    found = find_some_images(images, expected)
    require_folder(others, expected)
    problems: list[str] = []
    by_name, strays = _files_by_name(others, suffixes, what, problems)
    owners: dict[str, str] = {}
    for path in found:
        name = os.path.splitext(os.path.relpath(path, images))[0]
        if name in owners:
            problems.append(f"images '{owners[name]}' and '{path}' have the same name: rename one.")
            continue
        owners[name] = path
        wanted = f"{others / name}{suffixes[0]}"
        if name in strays and name not in by_name:
            problems.append(
                f"the {what} of image '{path}' is '{strays[name]}', expected {kind}: '{wanted}'."
            )
        elif name not in by_name:
            near = _nearest(name, by_name, problems)
            problems.append(f"image '{path}' has no {what}: there is no '{wanted}'.{near}")
    for name, path in by_name.items():
        if name not in owners:
            near = _nearest(name, owners, problems)
            problems.append(f"{what} '{path}' has no image '{images / name}.*'.{near}")
    kept = [name for name in owners if name in by_name]
    return [owners[name] for name in kept], [by_name[name] for name in kept], problems


def _files_by_name(
    folder: Path, suffixes: Sequence[str], what: str, problems: list[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Files of the suffixes, and images of others, by their paths in a folder without suffix."""
    by_name: dict[str, str] = {}
    strays: dict[str, str] = {}
    paths = sorted(entry.path for _, files in walk_folders(folder) for entry in files)
    for path in paths:
        name, suffix = os.path.splitext(os.path.relpath(path, folder))
        if suffix.lower() not in suffixes:
            if suffix.lower() in IMAGE_SUFFIXES:
                strays[name] = path
        elif name in by_name:
            problems.append(f"'{by_name[name]}' and '{path}' are both the {what} of '{name}'.")
        else:
            by_name[name] = path
    return by_name, strays


def pair_files(
    images: Sequence[str],
    masks: Mapping[str, str],
    *,
    key_of: Callable[[str], str],
    mask_of: Callable[[str], str],
    what: str = "mask",
) -> Pairs:
    """Pair images with masks by a part of their names, in the order of the images.

    Args:
        images: Paths of the images.
        masks: Key -> path of each mask.
        key_of: Returns the key of an image's path.
        mask_of: Returns the expected path of the mask of a key, for messages.
        what: What messages call a mask.
    """
    found: dict[str, str] = {}
    problems = []
    for image in images:
        key = key_of(image)
        if key in masks:
            found[key] = image
        else:
            problems.append(f"image '{image}' has no {what}: there is no '{mask_of(key)}'.")
    problems += [
        f"{what} '{path}' has no image." for key, path in masks.items() if key not in found
    ]
    index = SegmentationIndex(
        images=PathList(found.values()), masks=PathList(masks[key] for key in found)
    )
    return Pairs(index, problems)


def join_pairs(first: Pairs, second: Pairs) -> Pairs:
    """Concatenate the pairs of two sets that have masks."""
    assert first.index.masks is not None
    assert second.index.masks is not None
    index = SegmentationIndex(
        images=PathList([*first.index.images, *second.index.images]),
        masks=PathList([*first.index.masks, *second.index.masks]),
    )
    return Pairs(index, first.problems + second.problems)


def find_some_images(folder: Path, expected: str = "") -> list[str]:
    """The images in a folder, as from `find_images`, at least one.

    Raises:
        DataError: There is no such folder, or no image in it.
    """
    require_folder(folder, expected)
    ignored: Counter[str] = Counter()
    paths = find_images(folder, ignored)
    if not paths:
        raise DataError(
            f"there are no images in '{folder.resolve()}'{other_files(ignored)}. {SUFFIXES}"
        )
    log_ignored(folder, ignored)
    return paths


def _nearest(name: str, names: Iterable[str], problems: Sequence[str]) -> str:
    return suggest(name, names, maximum=1) if len(problems) < MAX_SUGGESTED else ""
