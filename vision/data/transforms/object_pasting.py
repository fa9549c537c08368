"""Objects of other sweeps that are pasted into a training sweep.

"SECOND: Sparsely Embedded Convolutional Detection", Yan et al., 2018, section 3.4.
"""

from collections.abc import Sequence

import numpy as np
import torch

from vision.contracts.boxes3d import CENTRE, LIDAR
from vision.data.index.lidar import SweepObjects
from vision.data.index.object_database import ObjectDatabase
from vision.data.transforms.lidar_options import DIFFICULTIES, ObjectPasting
from vision.errors import ConfigError, DataError, suggest
from vision.ops.points_in_boxes import points_in_boxes
from vision.ops.rotated_iou import ground_rectangles, rotated_iou


class ObjectPaster:
    """Pastes objects of a database into sweeps, with random numbers of PyTorch.

    Args:
        database: The objects.
        options: How many are pasted, and which.
        class_names: Name of each class of the sweeps, by label.
        trained: Names of those that are learned; others are not pasted.

    Attributes:
        candidates: int64 indices of the objects that may be pasted, by label.

    Raises:
        ConfigError: An option names an unknown class.
        DataError: No object may be pasted.
    """

    def __init__(
        self,
        database: ObjectDatabase,
        options: ObjectPasting,
        class_names: Sequence[str],
        trained: Sequence[str],
    ) -> None:
        _check_names(options, class_names)
        self.database = database
        self.counts = {class_names.index(name): options.counts.get(name, 0) for name in trained}
        easy = database.levels <= DIFFICULTIES.index(options.max_difficulty)
        self.candidates: dict[int, np.ndarray] = {}
        for name in trained:
            own = np.zeros(len(database), dtype=bool)
            if name in database.class_names:
                own = database.labels == database.class_names.index(name)
            enough = database.counts >= options.min_points.get(name, 1)
            self.candidates[class_names.index(name)] = np.flatnonzero(own & enough & easy)
        if not any(len(rows) for rows in self.candidates.values()):
            raise DataError(
                f"none of the {len(database):,} objects of the database '{options.database}' is a "
                f"{' or '.join(trained)} with the points of paste.min_points, and as easy as "
                f"paste.max_difficulty={options.max_difficulty!r}. Lower the limits, or make it "
                "from another split."
            )

    def paste(self, points: np.ndarray, objects: SweepObjects) -> tuple[np.ndarray, SweepObjects]:
        """Paste objects where they stood.

        Args:
            points: float32 `(P, C)`.
            objects: All objects of the sweep that have a place, those that are not learned too.

        Returns:
            The points, without those that lay in boxes of pasted objects and with those of pasted
            objects at the end, and the objects, pasted ones last.
        """
        drawn = self._draw(objects.labels)
        kept = drawn[free_boxes(objects.boxes3d, self.database.boxes3d[drawn])]
        if not len(kept):
            return points, objects
        boxes = self.database.boxes3d[kept]
        hidden = points_in_boxes(torch.from_numpy(points[:, CENTRE]), torch.from_numpy(boxes))
        rest = points[~hidden.any(dim=0).numpy()]
        pasted = [self.database.points_of(row) for row in kept.tolist()]
        labels = np.concatenate([objects.labels, self._labels(kept)])
        joined = SweepObjects(np.concatenate([objects.boxes3d, boxes]), labels)
        return np.concatenate([rest, *pasted]), joined

    def _draw(self, present: np.ndarray) -> np.ndarray:
        """Objects of each class that would fill a sweep up, in random order, int64 `(n,)`."""
        drawn = []
        for label, rows in self.candidates.items():
            wanted = max(0, self.counts[label] - int((present == label).sum()))
            if wanted and len(rows):
                drawn.append(rows[torch.randperm(len(rows))[:wanted].numpy()])
        return np.concatenate([np.zeros(0, dtype=np.int64), *drawn])

    def _labels(self, rows: np.ndarray) -> np.ndarray:
        labels = np.zeros(len(rows), dtype=np.int64)
        for label, own in self.candidates.items():
            labels[np.isin(rows, own)] = label
        return labels


def free_boxes(present: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Which boxes can be added so that none overlaps another seen from above.

    Args:
        present: `(N, 7)` in the frame `LIDAR`; they may overlap each other.
        wanted: `(M, 7)`; of two that overlap the first is taken.

    Returns:
        bool `(M,)`.
    """
    both = torch.from_numpy(np.concatenate([present, wanted]))
    rectangles = ground_rectangles(both, LIDAR)
    overlaps = (rotated_iou(rectangles[len(present) :], rectangles) > 0).numpy()
    taken = np.arange(len(both)) < len(present)
    for row, hits in enumerate(overlaps, start=len(present)):
        taken[row] = not (hits & taken).any()
    return taken[len(present) :]


def _check_names(options: ObjectPasting, class_names: Sequence[str]) -> None:
    for key in ("counts", "min_points"):
        for name in getattr(options, key):
            if name not in class_names:
                raise ConfigError(
                    f"paste.{key} has the class {name!r}; the classes of the dataset are "
                    f"{', '.join(class_names)}.{suggest(name, class_names)}"
                )
