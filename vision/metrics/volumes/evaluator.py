"""Volumes measured over an epoch and over processes.

Letters: D, H, W cells along the three axes of an array; K regions or classes without the
background.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from vision.errors import ConfigError, DataError, suggest
from vision.metrics.processes import gather_shares
from vision.metrics.volumes.dice import EMPTY, Empty, dice
from vision.metrics.volumes.distances import region_distances
from vision.metrics.volumes.table import VolumeScores

if TYPE_CHECKING:
    from torch import Tensor


class _Measured(NamedTuple):
    """The numbers of one subject, float64 `(K,)` each; `distances` is `(2, K)` or None."""

    dice: np.ndarray
    found_ml: np.ndarray
    truth_ml: np.ndarray
    distances: np.ndarray | None


class VolumeEvaluator:
    """Measures each subject of an epoch once; a few numbers per subject are kept.

    Args:
        names: K names of the regions, or of the classes without the background.
        empty: How a region that is empty in the truth counts: `"skip"` leaves it out, `"brats"`
            scores it as the BraTS challenge does.
        distances: Whether the distances between surfaces are measured too.

    Raises:
        ConfigError: `empty` is unknown.
    """

    def __init__(
        self, names: Sequence[str], *, empty: Empty = "skip", distances: bool = True
    ) -> None:
        if empty not in EMPTY:
            raise ConfigError(
                f"there is no rule {empty!r} for an empty truth.{suggest(str(empty), EMPTY)} Give"
                f" one of {', '.join(EMPTY)}."
            )
        self.names = tuple(names)
        self.empty = empty
        self.distances = distances
        self.reset()

    def __len__(self) -> int:
        """Number of subjects that this process has seen."""
        return len(self._subjects)

    def reset(self) -> None:
        """Forget all subjects."""
        self._subjects: dict[str, _Measured] = {}

    def update(
        self,
        subject: str,
        found: "np.ndarray | Tensor",
        truth: "np.ndarray | Tensor",
        valid: "np.ndarray | Tensor | None",
        spacing: Sequence[float],
    ) -> None:
        """Measure one subject; one that was measured before counts once.

        Args:
            subject: Its name, unique in the dataset.
            found: bool `(K, D, H, W)`, the cells of each region in the prediction.
            truth: bool `(K, D, H, W)`, likewise in the truth.
            valid: bool `(D, H, W)`, the cells that count; None for all.
            spacing: Millimetres between the centres of neighbouring cells along D, H and W.

        Raises:
            DataError: The shapes do not fit each other or the names. The subject is not counted.
        """
        if found.shape != truth.shape or found.ndim != 4 or len(found) != len(self.names):
            raise DataError(
                f"subject '{subject}': the prediction has the shape {tuple(found.shape)} and the"
                f" truth {tuple(truth.shape)}; both must be ({len(self.names)}, D, H, W), for"
                f" {', '.join(self.names)}."
            )
        predicted, labelled = _mask(found), _mask(truth)
        if valid is not None:
            inside = _mask(valid)
            predicted, labelled = predicted & inside, labelled & inside
        pairs = list(zip(predicted, labelled, strict=True))
        cell_ml = float(np.prod(spacing)) / 1000
        apart = pairs if self.distances else []
        distances = [region_distances(*pair, spacing, self.empty) for pair in apart]
        self._subjects[subject] = _Measured(
            np.array([dice(*pair, self.empty) for pair in pairs]),
            np.array([np.count_nonzero(one) * cell_ml for one in predicted]),
            np.array([np.count_nonzero(one) * cell_ml for one in labelled]),
            np.array(distances).T if self.distances else None,
        )

    def compute(self, *, all_processes: bool = True) -> VolumeScores:
        """The result of all subjects.

        Args:
            all_processes: Whether the subjects of all processes count; every process must then call
                it, and the result is the same on each.

        Returns:
            The result, with the subjects in the order of their names.
        """
        shares = gather_shares(self._subjects) if all_processes else [self._subjects]
        # Samplers that pad the shares of processes repeat subjects; the lowest rank's counts.
        whole = {name: one for share in reversed(shares) for name, one in share.items()}
        subjects = sorted(whole)
        rows = [whole[name] for name in subjects]
        shape = (len(rows), len(self.names))
        distances: list[np.ndarray | None] = [None, None]
        if self.distances:
            measured = [row.distances for row in rows if row.distances is not None]
            distances = [_table([one[d] for one in measured], shape) for d in (0, 1)]
        return VolumeScores(
            names=self.names,
            subjects=tuple(subjects),
            dice=_table([row.dice for row in rows], shape),
            found_ml=_table([row.found_ml for row in rows], shape),
            truth_ml=_table([row.truth_ml for row in rows], shape),
            hd95=distances[0],
            asd=distances[1],
            empty=self.empty,
        )


def _table(rows: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """The rows stacked; without rows, an empty table of K columns."""
    return np.array(rows, dtype=np.float64).reshape(shape)


def _mask(values: "np.ndarray | Tensor") -> np.ndarray:
    array = values if isinstance(values, np.ndarray) else values.cpu().numpy()
    return array.astype(bool, copy=False)
