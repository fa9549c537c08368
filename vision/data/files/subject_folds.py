"""Folds of a cross-validation by subject: an official list, or a random division."""

import os
import random
from collections.abc import Sequence
from pathlib import Path

from vision.documents.json_text import read_json
from vision.errors import ConfigError, DataError, listed, shown
from vision.options import check_number
from vision.reading import MAX_TABLE_BYTES, shown_path

MAX_FOLDS = 1000
TRAINING, IMAGE, LABEL, FOLD = "training", "image", "label", "fold"


def check_folds(fold: int, folds: int) -> None:
    """Raise an error unless a fold is one of several.

    Raises:
        ConfigError: It is not.
    """
    check_number("folds", folds, minimum=2, maximum=MAX_FOLDS)
    check_number("fold", fold, minimum=0, maximum=folds - 1)


def divide(names: Sequence[str], *, folds: int, seed: int) -> dict[str, int]:
    """The fold of each subject, of a random division into equal parts.

    Args:
        names: Names of the subjects, in any order; the division depends on the names, on their
            number of folds and on the seed.
        folds: Number of parts.
        seed: Seed of the division.

    Raises:
        ConfigError: There are fewer subjects than parts.
    """
    if len(names) < folds:
        raise ConfigError(
            f"folds={folds}, but there are only {len(names)} subjects with labels. Give fewer "
            "folds, or more subjects."
        )
    ordered = sorted(names)
    random.Random(f"{seed}/subjects").shuffle(ordered)
    return {name: place % folds for place, name in enumerate(ordered)}


def read_fold_list(path: Path) -> dict[str, int]:
    """Read a list of folds in the form of MONAI's `brats21_folds.json`.

    It has `{"training": [{"fold": 0, "image": [PATH, ...], "label": PATH}, ...]}`; a subject has
    the name of the folder of its files.

    Args:
        path: The file.

    Returns:
        The fold of each subject.

    Raises:
        DataError: It is absent or has another form.
    """
    found = read_json(path, max_bytes=MAX_TABLE_BYTES, what="list of folds")
    rows = found.get(TRAINING) if isinstance(found, dict) else None
    where = f"list of folds {shown_path(path)}"
    expected = 'expected {"training": [{"fold": 0, "image": [PATH, ...], "label": PATH}, ...]}'
    if not isinstance(rows, list) or not rows:
        raise DataError(f"{where} has no list 'training'; {expected}.")
    folds: dict[str, int] = {}
    for number, row in enumerate(rows, start=1):
        fold = row.get(FOLD) if isinstance(row, dict) else None
        paths = [] if fold is None else row.get(IMAGE, row.get(LABEL))
        first = paths[0] if isinstance(paths, list) and paths else paths
        if type(fold) is not int or not isinstance(first, str) or not os.path.dirname(first):
            raise DataError(f"{where}, entry {number:,}: {shown(row)}; {expected}.")
        name = os.path.basename(os.path.dirname(first))
        if folds.setdefault(name, fold) != fold:
            raise DataError(f"{where}, entry {number:,}: subject '{name}' has two folds.")
    return folds


def choose(
    names: Sequence[str], folds: dict[str, int], fold: int, *, train: bool, where: str
) -> list[str]:
    """The subjects that are trained on, or those of the fold that validates.

    Args:
        names: The subjects that there are.
        folds: The fold of each.
        fold: The one that validates.
        train: Which of the two parts is wanted.
        where: What gives the folds, for errors.

    Raises:
        DataError: A subject has no fold, or there are none in the part.
    """
    unknown = [name for name in names if name not in folds]
    if unknown:
        raise DataError(
            f"{where} has no fold for {len(unknown):,} of {len(names):,} subjects, such as "
            f"{listed(map(repr, unknown), maximum=3)}. Add them, or move them elsewhere."
        )
    chosen = [name for name in names if (folds[name] != fold) == train]
    if not chosen:
        raise DataError(
            f"{where}: no subject is {'outside' if train else 'in'} fold {fold}; it has the folds "
            f"{listed(sorted({*folds.values()}))}."
        )
    return chosen
