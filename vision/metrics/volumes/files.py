"""Volumes of labels measured between two folders of NIfTI files.

Letters: D, H, W cells along the three axes of a file, as it is stored.
"""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vision.errors import DataError, listed
from vision.metrics.file_pairs import FilePair, read_ahead
from vision.metrics.volumes.dice import Empty
from vision.metrics.volumes.evaluator import VolumeEvaluator
from vision.metrics.volumes.table import VolumeScores
from vision.ops.nifti import VolumeHeader, nifti_stem, read_header, read_labels

# The values of each region of BraTS: those of 2021, with 4 for the enhancing tumour, and of 2023,
# with 3. No file has both.
BRATS_REGIONS: Mapping[str, tuple[int, ...]] = {
    "TC": (1, 3, 4),
    "WT": (1, 2, 3, 4),
    "ET": (3, 4),
}
# How far the cells of two files may be apart, in mm: transforms are stored in single precision.
MAX_APART_MM = 0.01


class _Read(NamedTuple):
    """A pair of files: bool `(K, D, H, W)`, which cells count, and mm between cells."""

    found: np.ndarray
    truth: np.ndarray
    valid: np.ndarray | None
    spacing: tuple[float, float, float]


def evaluate_volumes(
    pairs: Sequence[FilePair],
    regions: Mapping[str, Sequence[int]],
    *,
    ignored: Sequence[int] = (),
    prediction_suffix: str = "",
    empty: Empty = "skip",
    distances: bool = True,
    workers: int = 0,
) -> VolumeScores:
    """Compare volumes of labels, a few at a time.

    Args:
        pairs: Their files, `.nii` or `.nii.gz`; a subject is named after its prediction.
        regions: The values of the cells of each region or class, by name; 0 is the background.
        ignored: Values in annotations whose cells do not count.
        prediction_suffix: End of the names of predictions that is not of the subject's name.
        empty: How a region that is empty in the truth counts.
        distances: Whether the distances between surfaces are measured too.
        workers: Threads that read files; 0 reads them one after the other.

    Raises:
        DataError: A file is broken, has other labels, or another grid than its annotation.
        MissingPackageError: nibabel is not installed.
    """

    def read(pair: FilePair) -> _Read:
        truth_header, found_header = (_volume(path) for path in pair)
        _require_same_grid(found_header, truth_header)
        truth, found = (read_labels(path) for path in pair)
        known = {0, *itertools.chain(*regions.values())}
        _require_known(truth, known | {*ignored}, pair.annotation)
        _require_known(found, known, pair.prediction)
        valid = ~_cells(truth, ignored) if ignored else None
        masks = [np.stack([_cells(one, v) for v in regions.values()]) for one in (found, truth)]
        return _Read(masks[0], masks[1], valid, truth_header.spacing)

    evaluator = VolumeEvaluator(tuple(regions), empty=empty, distances=distances)
    for pair, one in zip(pairs, read_ahead(read, pairs, workers), strict=True):
        subject = nifti_stem(pair.prediction).removesuffix(prediction_suffix)
        evaluator.update(subject, *one)
    return evaluator.compute(all_processes=False)


def _volume(path: Path) -> VolumeHeader:
    header = read_header(path)
    if len(header.shape) != 3:
        raise DataError(
            f"'{path}' has {_text(header.shape)} cells, expected three axes: a volume of labels."
        )
    return header


def _require_same_grid(found: VolumeHeader, truth: VolumeHeader) -> None:
    """Refuse a prediction whose cells are not those of its annotation."""
    remedy = (
        "Write predictions on the grid of their annotations, as `vision predict` does; labels are"
        " resampled by nearest cells."
    )
    if found.shape != truth.shape:
        raise DataError(
            f"'{found.path}' has {_text(found.shape)} cells, but '{truth.path}'"
            f" {_text(truth.shape)}. {remedy}"
        )
    corners = itertools.product(*((0, side - 1) for side in truth.shape))
    places = np.array([(*corner, 1) for corner in corners])
    apart = float(np.linalg.norm(places @ (found.affine - truth.affine).T, axis=1).max())
    if apart > MAX_APART_MM:
        raise DataError(
            f"'{found.path}' has the affine of another grid than '{truth.path}': their cells are up"
            f" to {apart:.3g} mm apart (orientation {found.orientation} and {truth.orientation},"
            f" spacing {_text(found.spacing)} and {_text(truth.spacing)} mm). {remedy}"
        )


def _require_known(labels: np.ndarray, known: set[int], path: Path) -> None:
    values, counts = np.unique(labels, return_counts=True)
    others = {
        value: count
        for value, count in zip(values.tolist(), counts.tolist(), strict=True)
        if value not in known
    }
    if others:
        first = next(iter(others))
        raise DataError(
            f"'{path}' has the label {first} in {others[first]:,} cells (other labels that are not"
            f" known: {listed(list(others)[1:]) or 'none'}); expected {listed(sorted(known))}."
            " Give all labels of the files: --labels NAME=VALUE, or --ignore VALUE for cells that"
            " do not count."
        )


def _cells(labels: np.ndarray, values: Sequence[int]) -> np.ndarray:
    """The cells that have one of some values; a comparison per value is faster than a search."""
    found = np.zeros(labels.shape, dtype=bool)
    for value in values:
        found |= labels == value
    return found


def _text(numbers: Sequence[float]) -> str:
    return " x ".join(f"{number:g}" for number in numbers)
