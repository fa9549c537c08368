"""Names and labels of ImageNet's classes and validation images, from its official files.

Classes are numbered in alphabetical order of their WordNet ids, as in all published weights of
ImageNet-1k. The ILSVRC ids of the development kit have another order; its `meta.mat` translates
them.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vision.data.formats.matlab import read_variable
from vision.documents.csv_text import read_csv
from vision.documents.text import read_text
from vision.errors import DataError
from vision.reading import MAX_SETTINGS_BYTES, read_file

WNID = re.compile(r"n\d{8}")
VAL_NAME = re.compile(r"ILSVRC2012_val_(\d{8})\.JPEG")
DEVKIT = "ILSVRC2012_devkit_t12"
META = "meta.mat"
GROUND_TRUTH = "ILSVRC2012_validation_ground_truth.txt"
KAGGLE_LABELS = "LOC_val_solution.csv"
# "ImageNet Large Scale Visual Recognition Challenge", Russakovsky et al., 2015, table 2.
CLASSES_1K, TRAIN_1K, VAL_1K = 1000, 1_281_167, 50_000


class Devkit(NamedTuple):
    """Contents of the development kit.

    Attributes:
        val_wnids: WordNet id of each validation image, by its number minus one, strings `(N,)`.
        train_counts: Number of training images of each class.
    """

    val_wnids: np.ndarray
    train_counts: dict[str, int]


def read_devkit(folder: Path) -> Devkit:
    """Read the development kit of ILSVRC 2012.

    Args:
        folder: Its `data` folder, with `meta.mat` and `ILSVRC2012_validation_ground_truth.txt`.

    Raises:
        DataError: A file is absent or malformed.
    """
    for name in (META, GROUND_TRUTH):
        if not (folder / name).is_file():
            raise DataError(
                f"there is no '{(folder / name).resolve()}'; it is a part of {DEVKIT}.tar.gz."
            )
    wnid_of, counts = _read_meta(folder / META)
    lines = read_text(folder / GROUND_TRUTH).split()
    for number, line in enumerate(lines, 1):
        if not line.isdecimal() or int(line) not in wnid_of:
            raise DataError(
                f"'{folder / GROUND_TRUTH}' has '{line[:20]}' in line {number}, expected the "
                f"ILSVRC id of one of the {len(wnid_of)} classes in {META}."
            )
    return Devkit(np.array([wnid_of[int(line)] for line in lines]), counts)


def _read_meta(path: Path) -> tuple[dict[int, str], dict[str, int]]:
    """Map ILSVRC ids to WordNet ids, and WordNet ids to numbers of training images."""
    data = read_file(path, max_bytes=MAX_SETTINGS_BYTES)
    try:
        synsets = read_variable(data, "synsets").ravel()
        # The other synsets are the inner nodes of the hierarchy.
        leaves = [row for row in synsets if int(row["num_children"].item()) == 0]
        wnid_of = {int(row["ILSVRC2012_ID"].item()): str(row["WNID"].item()) for row in leaves}
        counts = {str(row["WNID"].item()): int(row["num_train_images"].item()) for row in leaves}
    # The reader raises any kind of error for a file in another format.
    except Exception as error:
        raise DataError(
            f"'{path}' is not the {META} of {DEVKIT}: {type(error).__name__}: {error}. "
            "Unpack it again."
        ) from error
    return wnid_of, counts


def read_kaggle_labels(path: Path) -> dict[str, str]:
    """Map each validation image (`"ILSVRC2012_val_00000001"`) to the WordNet id of its class.

    Args:
        path: Kaggle's `LOC_val_solution.csv`.

    Raises:
        DataError: A row is not an image and a class with boxes.
    """
    labels = {}
    for number, row in enumerate(read_csv(path, what="list of labels"), 2):
        cells = list(row.values())
        first = cells[1].split()[:1] if len(cells) == 2 else []
        if not (first and WNID.fullmatch(first[0])):
            raise DataError(
                f"'{path}' has the line {number} {','.join(cells)[:80]!r}, expected "
                "'ILSVRC2012_val_00000001,n01751748 ...' (image, class, boxes)."
            )
        labels[cells[0]] = first[0]
    return labels


def val_wnid(name: str, devkit: Devkit, place: str) -> str:
    """The class of a validation image.

    Args:
        name: File name, such as `"ILSVRC2012_val_00000001.JPEG"`.
        devkit: The labels.
        place: Path of the file, for errors.

    Raises:
        DataError: The name has another form, or its number has no label.
    """
    match = VAL_NAME.fullmatch(name)
    number = int(match[1]) if match else 0
    if not 1 <= number <= len(devkit.val_wnids):
        raise DataError(
            f"{place} has '{name}', expected ILSVRC2012_val_NNNNNNNN.JPEG with a number from 1 to "
            f"{len(devkit.val_wnids)}, as many as {GROUND_TRUTH} has lines."
        )
    return str(devkit.val_wnids[number - 1])


def readable_names(wnids: Sequence[str]) -> tuple[str, ...]:
    """A readable name for each class, such as `"n01440764 tench"`; unknown ones keep their id.

    Only ids make names unique: two of the 1000 classes are cranes.
    """
    # The larger table has the classes of all releases, except one of the 1000 classes.
    words = _table("imagenet-21k-goog") | _table("imagenet-1k")
    first = [words.get(wnid, "").partition(",")[0] for wnid in wnids]
    return tuple(f"{wnid} {word}".rstrip() for wnid, word in zip(wnids, first, strict=True))


def official_wnids() -> frozenset[str]:
    """The 1000 classes of ILSVRC 2012."""
    return frozenset(_table("imagenet-1k"))


def _table(subset: str) -> dict[str, str]:
    from timm.data import ImageNetInfo

    info = ImageNetInfo(subset)
    return {wnid: info.label_name_to_description(wnid) for wnid in info.label_names()}
