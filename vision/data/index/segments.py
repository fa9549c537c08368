"""Polygons and run lengths of objects, in a few arrays.

A list of lists of coordinates takes tens of times the memory of the numbers in it, and each worker
process would copy it page by page; arrays stay shared.

Letters: R objects with run lengths, Q polygons of all objects, S bytes, V numbers.
"""

from collections.abc import Sequence
from itertools import chain, pairwise
from typing import Any, TypedDict

import numpy as np

from vision.annotations.outlines import starts_of
from vision.data.files.mapped_arrays import PickledByPath


class RunLengths(TypedDict):
    """A mask as compressed run lengths, the form that pycocotools decodes.

    Keys:
        size: Height and width in pixels.
        counts: Lengths of the runs, column by column, packed to ASCII.
    """

    size: list[int]
    counts: bytes


Outline = list[np.ndarray] | RunLengths | None


class Segments(PickledByPath):
    """The outlines of M objects.

    Args:
        coordinates: float32 `(V,)`, x and y in turn, in pixels, of all polygons.
        polygon_starts: int64 `(Q + 1,)`, where the numbers of each polygon begin.
        row_starts: int64 `(M + 1,)`, where the polygons of each object begin.
        run_rows: int64 `(R,)`, the objects with run lengths, ascending.
        run_sizes: int32 `(R, 2)`, height and width of their masks.
        run_counts: uint8 `(S,)`, the characters of all run lengths.
        run_starts: int64 `(R + 1,)`, where the characters of each begin.
    """

    def __init__(
        self,
        *,
        coordinates: np.ndarray,
        polygon_starts: np.ndarray,
        row_starts: np.ndarray,
        run_rows: np.ndarray,
        run_sizes: np.ndarray,
        run_counts: np.ndarray,
        run_starts: np.ndarray,
    ) -> None:
        self.coordinates = coordinates
        self.polygon_starts = polygon_starts
        self.row_starts = row_starts
        self.run_rows = run_rows
        self.run_sizes = run_sizes
        self.run_counts = run_counts
        self.run_starts = run_starts

    @classmethod
    def of(cls, outlines: Sequence[Outline | Sequence[Sequence[float]]]) -> "Segments":
        """Pack the outline of each object.

        Args:
            outlines: For each object None, run lengths, or its polygons: `(P, 2)` arrays, or flat
                sequences x, y, x, y, ...
        """
        runs = [(row, outline) for row, outline in enumerate(outlines) if isinstance(outline, dict)]
        own: list[Any] = [
            () if outline is None or isinstance(outline, dict) else outline for outline in outlines
        ]
        flat = [np.asarray(part, dtype=np.float32).ravel() for part in chain.from_iterable(own)]
        counts = [run["counts"] for _, run in runs]
        return cls(
            coordinates=np.concatenate([np.zeros(0, dtype=np.float32), *flat]),
            polygon_starts=starts_of([part.size for part in flat]),
            row_starts=starts_of([len(parts) for parts in own]),
            run_rows=np.array([row for row, _ in runs], dtype=np.int64),
            run_sizes=np.array([run["size"] for _, run in runs], dtype=np.int32).reshape(-1, 2),
            run_counts=np.frombuffer(b"".join(counts), dtype=np.uint8),
            run_starts=starts_of([len(text) for text in counts]),
        )

    @classmethod
    def empty(cls, rows: int) -> "Segments":
        """The segments of objects without outlines."""
        return cls.of([None] * rows)

    def __len__(self) -> int:
        return len(self.row_starts) - 1

    def get(self, row: int) -> Outline:
        """The outline of an object.

        Args:
            row: Number of the object, 0 to `len(self) - 1`.

        Returns:
            Its polygons, float64 `(P, 2)` x and y in pixels; or its run lengths; or None if it has
            neither. Coordinates are rounded to a thousandth of a pixel, so that numbers with two
            decimals (COCO's own) equal the file in spite of the float32 in between, and masks
            drawn from them equal pycocotools to the pixel.

        Raises:
            IndexError: There is no such object.
        """
        row = range(len(self))[row]
        first, last = self.row_starts[row : row + 2].tolist()
        if first < last:
            edges = self.polygon_starts[first : last + 1].tolist()
            begin = edges[0]
            points = self.coordinates[begin : edges[-1]].astype(np.float64).round(3).reshape(-1, 2)
            pieces = [(edge - begin) // 2 for edge in edges]
            return [points[i:j] for i, j in pairwise(pieces)]
        place = int(np.searchsorted(self.run_rows, row))
        if place < len(self.run_rows) and self.run_rows[place] == row:
            text = self.run_counts[self.run_starts[place] : self.run_starts[place + 1]]
            return {"size": self.run_sizes[place].tolist(), "counts": text.tobytes()}
        return None

    def where(self, kept: np.ndarray) -> "Segments":
        """The outlines of some objects, in order.

        Args:
            kept: bool `(M,)`, whether an object is kept.
        """
        if kept.all():
            return self
        parts = np.repeat(kept, np.diff(self.row_starts))
        lengths = np.diff(self.polygon_starts)
        runs = kept[self.run_rows]
        texts = np.diff(self.run_starts)
        return Segments(
            coordinates=self.coordinates[np.repeat(parts, lengths)],
            polygon_starts=starts_of(lengths[parts]),
            row_starts=starts_of(np.diff(self.row_starts)[kept]),
            run_rows=(np.cumsum(kept) - 1)[self.run_rows[runs]],
            run_sizes=self.run_sizes[runs],
            run_counts=self.run_counts[np.repeat(runs, texts)],
            run_starts=starts_of(texts[runs]),
        )

    def extents(self) -> np.ndarray:
        """The box that each outline fills: float64 `(M, 4)` xyxy in pixels, NaN without outline."""
        found = np.full((len(self), 4), np.nan)
        rows = np.flatnonzero(np.diff(self.row_starts))
        begins = self.polygon_starts[self.row_starts[rows]] // 2
        points = self.coordinates.reshape(-1, 2)
        if len(rows):
            found[rows, :2] = np.minimum.reduceat(points, begins)
            found[rows, 2:] = np.maximum.reduceat(points, begins)
        if len(self.run_rows):
            from pycocotools.mask import toBbox

            boxes = toBbox([self.get(row) for row in self.run_rows.tolist()]).reshape(-1, 4)
            boxes[:, 2:] += boxes[:, :2]
            found[self.run_rows] = boxes
        return found

    def arrays(self) -> dict[str, np.ndarray]:
        """All arrays by the names of the arguments."""
        return dict(vars(self))
