"""Lists of volumes with their labels: a CSV table, or JSON in the form of MONAI's data lists."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from vision.data.files.split_folders import SPLIT_OF
from vision.data.formats.subjects import common_name
from vision.documents.csv_text import read_csv
from vision.documents.json_text import read_json
from vision.errors import DataError, shown, suggest
from vision.reading import MAX_TABLE_BYTES, shown_path

IMAGE, LABEL, SUBJECT, SPLIT, FOLD = "image", "label", "subject", "split", "fold"
PREDICT = "predict"
# Names of splits, and of the lists of a JSON file.
SPLITS = {**SPLIT_OF, "training": "train", "testing": "test", PREDICT: PREDICT}
WHAT = "list of volumes"
FORM = (
    "A CSV file has the columns image (or one for each modality), label and maybe subject, split, "
    'fold; a JSON file {"train": [{"image": PATH or [PATH, ...], "label": PATH}, ...], "val": ...}.'
)


class ListedSubject(NamedTuple):
    """A row of a list.

    Attributes:
        name: Name of the subject.
        files: A file per modality, or one of them all.
        mask: File of its labels; None without.
        split: "train", "val", "test" or "predict"; "train" where none is named.
        fold: Its fold; None without.
    """

    name: str
    files: tuple[str, ...]
    mask: str | None
    split: str
    fold: int | None


def read_volume_list(path: Path, root: Path, modalities: Sequence[str]) -> list[ListedSubject]:
    """Read a list of volumes.

    Args:
        path: A `.csv` or `.json` file.
        root: The folder that its paths are relative to.
        modalities: Name of each modality; columns of a CSV file may have them.

    Raises:
        DataError: The file is absent, or has another form.
    """
    where = f"{WHAT} {shown_path(path)}"
    if path.suffix.lower() == ".csv":
        rows = [*_csv_rows(path, modalities, where)]
    elif path.suffix.lower() == ".json":
        rows = [*_json_rows(path, where)]
    else:
        raise DataError(f"{where}: expected a file that ends in .csv or .json. {FORM}")
    if not rows:
        raise DataError(f"{where} has no volumes. {FORM}")
    return [
        _subject(row, split, f"{where}, {place}", root, len(modalities))
        for place, split, row in rows
    ]


def _csv_rows(
    path: Path, modalities: Sequence[str], where: str
) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Place, split and entry of each row, as JSON would have it."""
    for number, row in enumerate(read_csv(path, what=WHAT), start=1):
        cells: dict[str, Any] = {key: cell.strip() for key, cell in row.items() if cell.strip()}
        several = [name for name in modalities if name in row]
        if IMAGE not in row and len(several) < len(modalities):
            absent = next(name for name in modalities if name not in row)
            raise DataError(f"{where} has no column 'image', nor one for {absent!r}. {FORM}")
        if IMAGE not in row:
            empty = [name for name in several if name not in cells]
            if empty:
                raise DataError(f"{where}, row {number:,}: the cell {empty[0]!r} is empty.")
            cells[IMAGE] = [cells[name] for name in several]
        yield f"row {number:,}", cells.get(SPLIT, "train"), cells


def _json_rows(path: Path, where: str) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    found = read_json(path, max_bytes=MAX_TABLE_BYTES, what=WHAT)
    if not isinstance(found, dict):
        raise DataError(f"{where} is no mapping of splits. {FORM}")
    for split, rows in found.items():
        if split in SPLITS and isinstance(rows, list):
            for number, row in enumerate(rows, start=1):
                entry = row if isinstance(row, dict) else {IMAGE: row}
                yield f"entry {number:,} of {split!r}", split, entry


def _subject(
    row: Mapping[str, Any], split: str, where: str, root: Path, modalities: int
) -> ListedSubject:
    images, label = row.get(IMAGE), row.get(LABEL)
    files = [images] if isinstance(images, str) else images
    if not isinstance(files, list) or not files or not all(isinstance(one, str) for one in files):
        raise DataError(
            f"{where}: 'image' is {shown(images)}; expected a path, or one each. {FORM}"
        )
    if len(files) not in (1, modalities):
        raise DataError(
            f"{where} has {len(files)} images; expected one of all modalities, or {modalities}."
        )
    if label is not None and not isinstance(label, str):
        raise DataError(f"{where}: 'label' is {shown(label)}; expected a path.")
    known = SPLITS.get(split.lower())
    if known is None:
        raise DataError(f"{where}: {shown(split)} is not a split.{suggest(split, SPLITS)}")
    paths = tuple(os.path.join(root, file) for file in files)
    name = row.get(SUBJECT) or common_name(paths)
    return ListedSubject(
        str(name), paths, os.path.join(root, label) if label else None, known, _fold(row, where)
    )


def _fold(row: Mapping[str, Any], where: str) -> int | None:
    fold = row.get(FOLD)
    if fold is None:
        return None
    text = str(fold)
    if isinstance(fold, bool) or not text.isdecimal() or len(text) > 6:
        raise DataError(f"{where}: the fold {shown(fold)} is no whole number from 0.")
    return int(text)
