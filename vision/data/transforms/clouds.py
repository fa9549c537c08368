"""The points of a file, as readers give them and transforms take them; without PyTorch.

Letters: P points.
"""

from typing import NamedTuple

import numpy as np


class Cloud(NamedTuple):
    """The points of one file.

    Attributes:
        points: float `(P, 3)` x, y and z, as precise as they are stored; finite.
        colors: uint8 `(P, 3)` RGB; None if the file has none.
        normals: float32 `(P, 3)` unit vectors, or 0 where there is none; None likewise.
        label: int64 `(P,)`: of a file that was read the number that it has; in transforms the class
            index or `IGNORED`; None likewise.
    """

    points: np.ndarray
    colors: np.ndarray | None = None
    normals: np.ndarray | None = None
    label: np.ndarray | None = None

    def take(self, chosen: np.ndarray) -> "Cloud":
        """Some of the points, by their indices int64 `(n,)`."""
        return Cloud(*(None if part is None else part[chosen] for part in self))  # type: ignore[arg-type]
