"""Surface normals measured between two folders of files."""

from collections.abc import Sequence

import numpy as np

from vision.errors import DataError
from vision.metrics.file_pairs import FilePair, read_ahead, require_equal_sizes
from vision.metrics.normals import NormalsEvaluator, NormalsScores, angles_between
from vision.ops.normal_maps import read_normals

Row = dict[str, float | int | str | None]


def evaluate_normals(
    pairs: Sequence[FilePair], *, negate: Sequence[str] = (), workers: int = 0
) -> tuple[NormalsScores, list[Row]]:
    """Compare maps of normals, a few at a time.

    Args:
        pairs: Their files, as `read_normals` reads them.
        negate: Axes, of `"x"`, `"y"`, `"z"`, whose sign differs between predictions and
            annotations.
        workers: Threads that read files; 0 reads them one after the other.

    Returns:
        The result of all pixels, and a row per image: `image`, `pixels`, `mean`, which is None
        without pixels.

    Raises:
        DataError: A file is broken, has another size or vectors that are no normals, or no pixel
            counts.
    """
    signs = np.array([-1.0 if axis in negate else 1.0 for axis in "xyz"])

    def measure(pair: FilePair) -> np.ndarray:
        truth, found = map(read_normals, pair)
        require_equal_sizes(found.shape, truth.shape, pair)
        try:
            return angles_between(found * signs, truth)
        except DataError as error:
            raise DataError(f"'{pair.prediction}': {error}") from error

    evaluator = NormalsEvaluator()
    rows: list[Row] = []
    for pair, angles in zip(pairs, read_ahead(measure, pairs, workers), strict=True):
        evaluator.update(angles)
        mean = float(angles.mean()) if len(angles) else None
        rows.append({"image": pair.annotation.as_posix(), "pixels": len(angles), "mean": mean})
    return evaluator.compute(), rows
