"""The class of each point in a file: clouds with labels, and files of labels alone."""

import os
from pathlib import Path

import numpy as np

from vision.data.formats.cloud_values import broken_npy
from vision.data.formats.clouds import READERS, read_cloud
from vision.documents.text import read_lines
from vision.errors import DataError, listed
from vision.ops.npy_files import map_npy
from vision.reading import MAX_TABLE_BYTES, require_file, shown_path

TEXT = ".txt"
SUFFIXES = (*READERS, TEXT)
# Ending of the name of a file with the labels of another one: those of `a.ply` in `a.labels.npy`.
LABELS = ".labels.npy"


def read_point_labels(path: str | os.PathLike[str]) -> np.ndarray:
    """Read the class of each point.

    Args:
        path: A file of points that `read_cloud` reads, with labels; a `.npy` file of whole numbers
            `(P,)`; or a text file with a whole number per line.

    Returns:
        int64 `(P,)`, as in the file.

    Raises:
        DataError: The file is absent, broken, or has no labels.
        MissingPackageError: A package for its format is not installed.
    """
    suffix = Path(path).suffix.lower()
    if suffix == TEXT:
        return _read_text(path)
    if suffix == ".npy" and (labels := _read_alone(path)) is not None:
        return labels
    if suffix not in READERS:
        raise DataError(
            f"{shown_path(path)} is no file of labels by its name; expected {listed(SUFFIXES)}."
        )
    label = read_cloud(path).label
    if label is None:
        raise DataError(
            f"{shown_path(path)} has points, but no label for each of them; expected a property or"
            " a column of labels, or labels alone."
        )
    return label


def _read_alone(path: str | os.PathLike[str]) -> np.ndarray | None:
    """The numbers of a `.npy` file of one axis; None if it has several."""
    require_file(path, max_bytes=MAX_TABLE_BYTES, what="file of labels")
    try:
        labels = map_npy(path)
    except (ValueError, OSError, EOFError) as error:
        raise broken_npy(path, error) from error
    if labels.ndim != 1:
        return None
    if labels.dtype.kind not in "iu":
        raise DataError(
            f"{shown_path(path)} has {labels.dtype} of shape {labels.shape}; labels are whole "
            "numbers (P,)."
        )
    return np.asarray(labels).astype(np.int64)


def _read_text(path: str | os.PathLike[str]) -> np.ndarray:
    lines = read_lines(path, max_bytes=MAX_TABLE_BYTES, what="file of labels")
    try:
        return np.array([int(line) for line in lines], np.int64)
    except (ValueError, OverflowError):
        number, line = next((n, one) for n, one in enumerate(lines, 1) if not _is_whole(one))
        raise DataError(
            f"{shown_path(path)}, line {number:,}: {line[:40]!r} is no whole number; expected the "
            "class of a point in each line."
        ) from None


def _is_whole(text: str) -> bool:
    try:
        return -(2**63) <= int(text) < 2**63
    except ValueError:
        return False
