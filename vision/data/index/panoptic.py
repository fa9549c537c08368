"""The files of a split of a panoptic dataset, and its segments in arrays, without pixels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from vision.annotations.panoptic import Segments, check_segments, read_segment_ids
from vision.data.files.mapped_arrays import PickledByPath
from vision.data.index.masked_files import MaskedFiles, take_paths
from vision.data.index.pieces import take_pieces
from vision.errors import ImageError
from vision.ops.segment_ids import distinct_ids


class StoredSegments(NamedTuple):
    """The segments of an image as they are stored.

    Attributes:
        ids: int32 `(H, W)` segment id of each pixel.
        segments: The segments, as they are listed.
        name: Where the ids come from, for errors.
    """

    ids: np.ndarray
    segments: Segments
    name: str


@dataclass(kw_only=True, eq=False)
class SegmentTable(PickledByPath):
    """The S segments of N images, grouped by image.

    Everything is an array: shared by forked workers, and pickled by path where it is mapped from
    the files of a cache (see `vision.data.files.mapped_arrays`).

    Attributes:
        starts: int64 `(N + 1,)`: the segments of image i are `starts[i]` to `starts[i + 1] - 1`.
        ids: int32 `(S,)`, the value of each in the map of its image.
        labels: int32 `(S,)` class index.
        crowd: bool `(S,)`, whether it is a region of many objects.
    """

    starts: np.ndarray
    ids: np.ndarray
    labels: np.ndarray
    crowd: np.ndarray

    def __len__(self) -> int:
        return len(self.starts) - 1

    def get(self, place: int) -> Segments:
        """The segments of an image, by its index in the split."""
        own = slice(*self.starts[place : place + 2].tolist())
        ids, labels = (part[own].astype(np.int64) for part in (self.ids, self.labels))
        return Segments(ids, labels, np.array(self.crowd[own]))

    def take(self, chosen: np.ndarray) -> "SegmentTable":
        """The segments of the images at some indices, int64 `(n,)`, as a table of their own."""
        starts, rows = take_pieces(self.starts, chosen)
        return SegmentTable(
            starts=starts, ids=self.ids[rows], labels=self.labels[rows], crowd=self.crowd[rows]
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class PanopticIndex(MaskedFiles):
    """The files of a split.

    Attributes:
        images: Path of each image.
        masks: Path of the segment ids of each; None if there are none.
        names: What the annotations call each image; empty where there are no annotations.
        sizes: int32 `(N, 2)`, height and width in pixels as annotated; 0 or None where that is not
            known.
        table: The segments of all images; None if they follow from the ids.
        read_ids: Reads the segment ids of a file.
        find_segments: Returns the segments of a map of ids, where there is no `table`.
        hidden: Whether a listed segment may have no pixel; it is then left out.

    Raises:
        DataError: The numbers of images and masks differ.
    """

    what = "segments"

    names: Sequence[str] = ()
    sizes: np.ndarray | None = None
    table: SegmentTable | None = None
    read_ids: Callable[[str], np.ndarray] = read_segment_ids
    find_segments: Callable[[np.ndarray], Segments] | None = None
    hidden: bool = False

    def segments(self, place: int) -> StoredSegments:
        """The segments of an image, compared with the ids of its pixels.

        Raises:
            DataError: There are none, or ids are listed that no pixel has, or the reverse.
            ImageError: The file is absent, cannot be read, or has another size than annotated.
        """
        path = self.mask_path(place)
        ids = self.read_ids(path)
        if self.table is None:
            assert self.find_segments is not None, "segments are listed, or follow from the ids"
            return StoredSegments(ids, self.find_segments(ids), path)
        self._check_size(ids, place)
        segments, found = self.table.get(place), distinct_ids(ids)
        if self.hidden:
            seen = np.isin(segments.ids, found)
            segments = Segments(*(part[seen] for part in segments))
        check_segments(found, segments, self.names[place], path)
        return StoredSegments(ids, segments, path)

    def take(self, chosen: np.ndarray) -> "PanopticIndex":
        """The files at some indices, int64 `(n,)`, as an index of their own."""
        return replace(
            self,
            images=take_paths(self.images, chosen),
            masks=None if self.masks is None else take_paths(self.masks, chosen),
            names=take_paths(self.names, chosen) if len(self.names) else (),
            sizes=None if self.sizes is None else self.sizes[chosen],
            table=None if self.table is None else self.table.take(chosen),
        )

    def _check_size(self, ids: np.ndarray, place: int) -> None:
        if self.sizes is None:
            return
        height, width = self.sizes[place].tolist()
        if height and ids.shape != (height, width):
            raise ImageError(
                f"'{self.mask_path(place)}' has {ids.shape[0]} x {ids.shape[1]} pixels (height x "
                f"width), but the 'height' and 'width' of image {self.names[place]} are {height} x "
                f"{width}. Put back the files that belong together."
            )
