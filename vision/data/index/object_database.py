"""Objects with the points of their sweeps, to be pasted into others, in arrays."""

from dataclasses import dataclass

import numpy as np

from vision.data.files.mapped_arrays import PickledByPath


@dataclass(frozen=True, kw_only=True, eq=False)
class ObjectDatabase(PickledByPath):
    """The N objects of some sweeps, and the S points in their boxes.

    Attributes:
        class_names: Names of the classes.
        labels: int64 `(N,)`, index in these.
        levels: int64 `(N,)`, index in KITTI's `LEVELS` of the easiest that an object has, or their
            number beyond all of them.
        boxes3d: float64 `(N, 7)` in the frame `LIDAR` of the sweep.
        starts: int64 `(N + 1,)`: the points of object i are `starts[i]` to `starts[i + 1] - 1`.
        points: float32 `(S, C)` in that frame.
    """

    class_names: tuple[str, ...]
    labels: np.ndarray
    levels: np.ndarray
    boxes3d: np.ndarray
    starts: np.ndarray
    points: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def counts(self) -> np.ndarray:
        """Points of each object, int64 `(N,)`."""
        return np.diff(self.starts)

    def points_of(self, place: int) -> np.ndarray:
        """The points of an object, float32 `(P, C)`; not to be written to."""
        return self.points[slice(*self.starts[place : place + 2].tolist())]
