"""The index of a detection dataset: files and objects in arrays, without pixels."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vision.data.files.finding import PathList
from vision.data.files.mapped_arrays import PickledByPath
from vision.data.images.read import EncodedImage, read_file
from vision.data.index.segments import Segments

_SEGMENTS = "segments."


class Objects(NamedTuple):
    """The objects of one image.

    Attributes:
        boxes: float32 `(M, 4)`, `(x1, y1, x2, y2)` in pixels of the file.
        labels: int32 `(M,)` class index.
        crowd: bool `(M,)`, whether a box encloses a group of objects.
        areas: float32 `(M,)` in square pixels of the file, of the mask where there is one.
        rows: Numbers of the objects in the whole dataset, for `Segments.get`.
    """

    boxes: np.ndarray
    labels: np.ndarray
    crowd: np.ndarray
    areas: np.ndarray
    rows: range


@dataclass(kw_only=True, eq=False)
class DetectionIndex(PickledByPath):
    """N images and their M objects, which are grouped by image.

    Everything is an array: shared by forked workers, and pickled by path where it is mapped from
    the files of a cache (see `vision.data.files.mapped_arrays`).

    Attributes:
        folder: The folder that the file names are relative to.
        paths: File name of each image.
        image_ids: int64 `(N,)`, the dataset's own number of each image.
        sizes: int32 `(N, 2)`, height and width in pixels as annotated; 0 where that is not known.
        starts: int64 `(N + 1,)`: the objects of image i are `starts[i]` to `starts[i + 1] - 1`.
        boxes: float32 `(M, 4)`, `(x1, y1, x2, y2)` in pixels.
        labels: int32 `(M,)` class index.
        crowd: bool `(M,)`.
        areas: float32 `(M,)` in square pixels.
        annotation_ids: int64 `(M,)`, the dataset's own number of each object.
        segments: Outlines of the M objects; all None where `has_masks` is false.
        class_names: Name of each class, by label.
        category_ids: int64 `(K,)`, the dataset's own number of each class, by label.
        has_masks: Whether the dataset has outlines.
        federated: Whether its annotation file has LVIS' lists of what images were checked for.
    """

    folder: Path
    paths: PathList
    image_ids: np.ndarray
    sizes: np.ndarray
    starts: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    crowd: np.ndarray
    areas: np.ndarray
    annotation_ids: np.ndarray
    segments: Segments
    class_names: tuple[str, ...]
    category_ids: np.ndarray
    has_masks: bool
    federated: bool = False

    def __len__(self) -> int:
        return len(self.image_ids)

    def path(self, image: int) -> Path:
        """The path of an image.

        Args:
            image: Number of the image, 0 to N - 1.
        """
        return self.folder / self.paths[image]

    def read(self, image: int) -> EncodedImage:
        """The bytes of an image.

        Args:
            image: Number of the image, 0 to N - 1.

        Raises:
            ImageError: Its file is absent or cannot be read.
        """
        return read_file(self.path(image))

    def objects(self, image: int) -> Objects:
        """The objects of an image, as copies that may be written to.

        Args:
            image: Number of the image, 0 to N - 1.
        """
        rows = range(int(self.starts[image]), int(self.starts[image + 1]))
        own = slice(rows.start, rows.stop)
        return Objects(
            boxes=np.array(self.boxes[own]),
            labels=np.array(self.labels[own]),
            crowd=np.array(self.crowd[own]),
            areas=np.array(self.areas[own]),
            rows=rows,
        )

    def partners(self, image: int) -> Sequence[int]:
        """Numbers of the images that an image may be mixed with, its own among them: all.

        Args:
            image: Number of the image, 0 to N - 1.
        """
        return range(len(self))

    def with_objects(self) -> "DetectionIndex":
        """The index of the images that have objects, crowds included; arrays are shared."""
        kept = np.flatnonzero(np.diff(self.starts))
        if len(kept) == len(self):
            return self
        return replace(
            self,
            paths=self.paths.take(kept),
            image_ids=self.image_ids[kept],
            sizes=self.sizes[kept],
            # Images without objects have no rows: the rows of the others stay consecutive.
            starts=np.append(self.starts[kept], self.starts[-1]),
        )

    def without_masks(self) -> "DetectionIndex":
        """The same index with only boxes."""
        return replace(self, segments=Segments.empty(len(self.boxes)), has_masks=False)

    def arrays(self) -> dict[str, np.ndarray]:
        """The contents of the index except `folder`, as arrays by name."""
        names = PathList(self.class_names)
        return {
            **dict(zip(("paths", "path_starts"), self.paths.arrays(), strict=True)),
            **dict(zip(("class_names", "class_name_starts"), names.arrays(), strict=True)),
            **{name: getattr(self, name) for name in _PLAIN},
            **{_SEGMENTS + name: array for name, array in self.segments.arrays().items()},
            "has_masks": np.array(self.has_masks),
            "federated": np.array(self.federated),
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray], folder: Path) -> "DetectionIndex":
        """The index from the arrays that `arrays` returned.

        Args:
            arrays: The arrays, in memory or mapped.
            folder: The folder of the images.
        """
        names = PathList.from_arrays(arrays["class_names"], arrays["class_name_starts"])
        return cls(
            folder=folder,
            paths=PathList.from_arrays(arrays["paths"], arrays["path_starts"]),
            segments=Segments(
                **{
                    name.removeprefix(_SEGMENTS): array
                    for name, array in arrays.items()
                    if name.startswith(_SEGMENTS)
                }
            ),
            class_names=tuple(names),
            has_masks=bool(arrays["has_masks"]),
            federated=bool(arrays["federated"]),
            **{name: arrays[name] for name in _PLAIN},
        )

    def ground_truth(self) -> dict[str, Any]:
        """The dataset as the contents of a COCO file: `images`, `annotations` and `categories`.

        Run lengths come as ASCII text, so that it can be written as JSON.
        """
        images = [
            {"id": int(number), "file_name": name, "height": int(size[0]), "width": int(size[1])}
            for number, name, size in zip(self.image_ids, self.paths, self.sizes, strict=True)
        ]
        image_of_row = np.repeat(self.image_ids, np.diff(self.starts))
        corners = self.boxes.astype(np.float64)
        boxes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
        annotations = [
            {
                "id": int(self.annotation_ids[row]),
                "image_id": int(image_of_row[row]),
                "category_id": int(self.category_ids[self.labels[row]]),
                "bbox": boxes[row].tolist(),
                "area": float(self.areas[row]),
                "iscrowd": int(self.crowd[row]),
                **self._segmentation(row),
            }
            for row in range(len(boxes))
        ]
        categories = [
            {"id": int(number), "name": name}
            for number, name in zip(self.category_ids, self.class_names, strict=True)
        ]
        return {"images": images, "annotations": annotations, "categories": categories}

    def _segmentation(self, row: int) -> dict[str, Any]:
        outline = self.segments.get(row)
        if outline is None:
            return {}
        if isinstance(outline, dict):
            runs = {"size": outline["size"], "counts": outline["counts"].decode("ascii")}
            return {"segmentation": runs}
        return {"segmentation": [part.ravel().tolist() for part in outline]}


# The fields that are arrays.
_PLAIN = (
    *("image_ids", "sizes", "starts", "boxes", "labels", "crowd", "areas"),
    *("annotation_ids", "category_ids"),
)
