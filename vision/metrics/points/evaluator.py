"""Segmentation of point clouds measured over an epoch and over processes.

Letters: K classes, P points of a room.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from vision.contracts.ignored_points import IGNORED
from vision.errors import ConfigError, DataError, listed
from vision.metrics.points.table import PointScores
from vision.metrics.processes import gather_shares

if TYPE_CHECKING:
    from torch import Tensor


class _Pairs(NamedTuple):
    """How often pairs of a true and a predicted class occur in a room.

    Attributes:
        codes: K * true class + predicted class, of those that occur.
        counts: Number of points of each.
    """

    codes: np.ndarray
    counts: np.ndarray


class PointEvaluator:
    """Counts the points of each room of an epoch once, by true and predicted class.

    Counts are exact. IoU and accuracy are of the sums over all rooms.

    Args:
        num_classes: K, at most 255.

    Raises:
        ConfigError: The number of classes is not in 1 to 255.
    """

    def __init__(self, num_classes: int) -> None:
        if not 1 <= num_classes <= IGNORED:
            raise ConfigError(
                f"num_classes is {num_classes}; expected 1 to {IGNORED}: {IGNORED} is for points "
                "that do not count."
            )
        self.num_classes = num_classes
        self.reset()

    def __len__(self) -> int:
        """Number of rooms that this process has seen."""
        return len(self._rooms)

    def reset(self) -> None:
        """Forget all rooms."""
        self._rooms: dict[str, _Pairs] = {}

    def update(
        self,
        room: str,
        predicted: "np.ndarray | Tensor",
        target: "np.ndarray | Tensor",
        *,
        where: str | None = None,
    ) -> None:
        """Count the points of one room; one that was counted before counts once.

        Args:
            room: Its name, unique in the dataset.
            predicted: Integers `(P,)` in 0..K-1; points that are ignored may have any value.
            target: Integers `(P,)` in 0..K-1, or `IGNORED`.
            where: What errors name; None for the room.

        Raises:
            DataError: The numbers of points differ, or a value is no class. The room is not
                counted.
        """
        where = room if where is None else where
        found, truth = _array(predicted), _array(target)
        if found.ndim != 1 or found.shape != truth.shape:
            raise DataError(
                f"{where}: the prediction has the shape {found.shape} and the labels {truth.shape};"
                " both need a class index for each point, (P,)."
            )
        counted = truth != IGNORED
        found, truth = found[counted], truth[counted]
        for name, labels in (("labels", truth), ("prediction", found)):
            self._check(where, name, labels)
        codes, counts = np.unique(truth * self.num_classes + found, return_counts=True)
        self._rooms[room] = _Pairs(codes, counts)

    def compute(
        self, class_names: Sequence[str] | None = None, *, all_processes: bool = True
    ) -> PointScores:
        """The result over the points of all rooms.

        Args:
            class_names: K names, for tables; None for none.
            all_processes: Whether the rooms of all processes count; every process must then call
                it, and the result is the same on each.

        Returns:
            The result, with the rooms in the order of their names.

        Raises:
            ConfigError: There are not K names.
        """
        if class_names is not None and len(class_names) != self.num_classes:
            raise ConfigError(
                f"{len(class_names)} class names for {self.num_classes} classes; give one for each,"
                " in the order of their indices."
            )
        shares = gather_shares(self._rooms) if all_processes else [self._rooms]
        # Samplers that pad the shares of processes repeat rooms; the lowest rank's counts.
        whole = {name: one for share in reversed(shares) for name, one in share.items()}
        return self._scores(whole, None if class_names is None else tuple(class_names))

    def _scores(
        self, rooms: Mapping[str, _Pairs], class_names: tuple[str, ...] | None
    ) -> PointScores:
        size = self.num_classes
        confusion = np.zeros(size * size, np.int64)
        areas = np.zeros((len(rooms), 3, size), np.int64)
        names = tuple(sorted(rooms))
        for name, own in zip(names, areas, strict=True):
            pairs = np.zeros(size * size, np.int64)
            pairs[rooms[name].codes] = rooms[name].counts
            confusion += pairs
            matrix = pairs.reshape(size, size)
            own[:] = matrix.diagonal(), matrix.sum(axis=0), matrix.sum(axis=1)
        return PointScores(confusion.reshape(size, size), names, areas, class_names)

    def _check(self, where: str, name: str, labels: np.ndarray) -> None:
        wrong = labels[(labels < 0) | (labels >= self.num_classes)]
        if len(wrong):
            values, counts = np.unique(wrong, return_counts=True)
            more = f" (others: {listed(values[1:].tolist())})" if len(values) > 1 else ""
            raise DataError(
                f"{where}: the {name} {'have' if name == 'labels' else 'has'} the class {values[0]}"
                f" at {counts[0]:,} points that count{more}; expected 0 to {self.num_classes - 1},"
                f" or {IGNORED} in the labels of points that do not count. Compare the number of"
                " classes."
            )


def _array(values: "np.ndarray | Tensor") -> np.ndarray:
    array = values if isinstance(values, np.ndarray) else values.cpu().numpy()
    if array.dtype.kind not in "iub":
        raise DataError(
            f"classes of points have the type {array.dtype}; class indices are integers, such as"
            " the argmax of the scores."
        )
    return array.astype(np.int64, copy=False)
