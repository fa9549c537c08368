"""Folds of a cross-validation by subject: an official list, or a random division."""

import os
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from vision.data.formats.subjects import SubjectFiles
from vision.documents.json_text import read_json
from vision.errors import ConfigError, DataError, listed, shown
from vision.options import check_number
from vision.reading import MAX_TABLE_BYTES, shown_path

MAX_FOLDS = 1000
TRAINING, IMAGE, LABEL, FOLD, SUBJECT = "training", "image", "label", "fold", "subject"


class Folds(NamedTuple):
    """The folds of a dataset.

    Attributes:
        of: The fold of each subject by its name.
        where: What gives them, for errors.
    """

    of: Mapping[str, int]
    where: str = "the division"


class Divided(Protocol):
    """A dataset with folds.

    Attributes:
        folds: Number of parts of our own division.
        seed: Seed of it.
        fold_list: A list with the fold of each subject, in its place; None for none.
    """

    folds: int
    seed: int
    fold_list: Path | None


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


def find_folds(
    names: Sequence[str],
    *,
    folds: int,
    seed: int,
    fold_list: Path | None = None,
    name_of: Callable[[str], str],
) -> Folds:
    """The folds of a list, or of our own division.

    Args:
        names: Names of the subjects with labels.
        folds: Number of parts of our own division.
        seed: Seed of it.
        fold_list: The list; None divides the subjects.
        name_of: Name of a subject from the path of its first image, for `read_fold_list`.

    Raises:
        ConfigError: There are fewer subjects than parts.
        DataError: The list is absent or has another form.
    """
    if fold_list is None:
        return Folds(divide([*{*names}], folds=folds, seed=seed))
    return Folds(read_fold_list(fold_list, name_of=name_of), f"'{fold_list}'")


def folds_of(data: Divided, names: Sequence[str], name_of: Callable[[str], str]) -> Folds:
    """As `find_folds`, by the options of a dataset.

    Args:
        data: The dataset.
        names: Names of its subjects with labels.
        name_of: Name of a subject from the path of its first image.

    Raises:
        ConfigError: There are fewer subjects than parts.
        DataError: The list is absent or has another form.
    """
    return find_folds(
        names, folds=data.folds, seed=data.seed, fold_list=data.fold_list, name_of=name_of
    )


def name_of_folder(path: str) -> str:
    """The name of the folder that a file lies in, empty if none is given."""
    return os.path.basename(os.path.dirname(path))


def fold_rows(
    subjects: Sequence[SubjectFiles], folds: Mapping[str, int], root: Path
) -> list[dict[str, Any]]:
    """The rows of a list of folds, in the form that `read_fold_list` and MONAI read.

    Args:
        subjects: The subjects in their order.
        folds: The fold of each by its name; a row of another subject has none.
        root: Paths below this folder are written relative to it.

    Returns:
        `{"fold": 0, "subject": NAME, "image": PATH or [PATH, ...], "label": PATH}` for each.
    """
    rows = []
    for subject in subjects:
        images = [_relative(file, root) for file in subject.files]
        row: dict[str, Any] = {FOLD: folds[subject.name]} if subject.name in folds else {}
        row |= {SUBJECT: subject.name, IMAGE: images if len(images) > 1 else images[0]}
        rows.append(row | ({LABEL: _relative(subject.mask, root)} if subject.mask else {}))
    return rows


def _relative(path: str, root: Path) -> str:
    """A path as it is written in a list: relative to a folder if it lies below it."""
    whole = Path(os.path.abspath(path))
    above = Path(os.path.abspath(root))
    return whole.relative_to(above).as_posix() if whole.is_relative_to(above) else str(whole)


def read_fold_list(path: Path, *, name_of: Callable[[str], str]) -> dict[str, int]:
    """Read a list of folds in the form of MONAI's `brats21_folds.json`.

    It has `{"training": [{"fold": 0, "image": [PATH, ...], "label": PATH}, ...]}`, and maybe the
    name of the `subject`, as the `folds.json` of a run.

    Args:
        path: The file.
        name_of: Name of a subject from the path of its first image, where it is not in the row;
            empty if the path has none.

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
        name = row.get(SUBJECT) if isinstance(row, dict) else None
        if name is None and isinstance(first, str):
            name = name_of(first)
        if type(fold) is not int or not isinstance(name, str) or not name:
            raise DataError(f"{where}, entry {number:,}: {shown(row)}; {expected}.")
        if folds.setdefault(name, fold) != fold:
            raise DataError(f"{where}, entry {number:,}: subject '{name}' has two folds.")
    return folds


def choose(names: Sequence[str], folds: Folds, fold: int, *, train: bool) -> list[str]:
    """The subjects that are trained on, or those of the fold that validates.

    Args:
        names: The subjects that there are.
        folds: Their folds.
        fold: The one that validates.
        train: Which of the two parts is wanted.

    Raises:
        DataError: A subject has no fold, or there are none in the part.
    """
    unknown = [name for name in names if name not in folds.of]
    if unknown:
        raise DataError(
            f"{folds.where} has no fold for {len(unknown):,} of {len(names):,} subjects, such as "
            f"{listed(map(repr, unknown), maximum=3)}. Add them, or move them elsewhere."
        )
    chosen = [name for name in names if (folds.of[name] != fold) == train]
    if not chosen:
        raise DataError(
            f"{folds.where}: no subject is {'outside' if train else 'in'} fold {fold}; it has the "
            f"folds {listed(sorted({*folds.of.values()}))}."
        )
    return chosen
