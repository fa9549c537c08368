"""Pairing of images and masks by their names."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vision.data.files.class_folders import SUFFIXES, log_ignored, other_files
from vision.data.files.finding import PathList, find_images, require_folder
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


def pair_masks(images: Path, masks: Path, expected: str = "") -> Pairs:
    """Find the mask of each image: the file with the same relative path, except the suffix.

    Args:
        images: Folder of images, nested or not.
        masks: Folder of masks, `.png` files, nested alike.
        expected: The expected tree, for the end of errors.

    Raises:
        DataError: A folder is absent, or there is no image.
    """
    found = find_some_images(images, expected)
    require_folder(masks, expected)
    by_name: dict[str, str] = {}
    others: dict[str, str] = {}
    for path in find_images(masks):
        name, suffix = os.path.splitext(os.path.relpath(path, masks))
        (by_name if suffix.lower() == MASK_SUFFIX else others)[name] = path
    problems: list[str] = []
    owners: dict[str, str] = {}
    for path in found:
        name = os.path.splitext(os.path.relpath(path, images))[0]
        if name in owners:
            problems.append(f"images '{owners[name]}' and '{path}' have the same name: rename one.")
            continue
        owners[name] = path
        if name in others and name not in by_name:
            problems.append(
                f"the mask of image '{path}' is '{others[name]}', expected a PNG file: "
                f"'{masks / name}{MASK_SUFFIX}'."
            )
        elif name not in by_name:
            near = _nearest(name, by_name, problems)
            problems.append(
                f"image '{path}' has no mask: there is no '{masks / name}{MASK_SUFFIX}'.{near}"
            )
    for name, path in by_name.items():
        if name not in owners:
            near = _nearest(name, owners, problems)
            problems.append(f"mask '{path}' has no image '{images / name}.*'.{near}")
    kept = [name for name in owners if name in by_name]
    return Pairs(
        SegmentationIndex(
            images=PathList(owners[name] for name in kept),
            masks=PathList(by_name[name] for name in kept),
        ),
        problems,
    )


def pair_files(
    images: Sequence[str],
    masks: Mapping[str, str],
    *,
    key_of: Callable[[str], str],
    mask_of: Callable[[str], str],
) -> Pairs:
    """Pair images with masks by a part of their names, in the order of the images.

    Args:
        images: Paths of the images.
        masks: Key -> path of each mask.
        key_of: Returns the key of an image's path.
        mask_of: Returns the expected path of the mask of a key, for messages.
    """
    found: dict[str, str] = {}
    problems = []
    for image in images:
        key = key_of(image)
        if key in masks:
            found[key] = image
        else:
            problems.append(f"image '{image}' has no mask: there is no '{mask_of(key)}'.")
    problems += [f"mask '{path}' has no image." for key, path in masks.items() if key not in found]
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
