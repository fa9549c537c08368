"""Scenes whose objects can be read from the pixels: one at a time is white, all else is black."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from pycocotools import mask as coco

from vision.data.index.detection import Objects
from vision.data.transforms.annotated import AnnotatedImage, AnnotatedImages
from vision.data.transforms.detection import DetectionTrainTransform, TransformedImage
from vision.data.transforms.detection_options import DetectionAugment
from vision.data.transforms.mixing import make_train_transform

# Corners in shares of width and height; the labels number the objects of all images.
SHAPES = [
    [],
    [("polygon", (0.1, 0.1, 0.6, 0.5)), ("runs", (0.55, 0.6, 0.95, 0.9))],
    [("polygon", (0.0, 0.2, 1.0, 0.8))],
    [("crowd", (0.05, 0.05, 0.9, 0.4)), ("polygon", (0.2, 0.5, 0.7, 1.0))],
    [("triangle", (0.1, 0.1, 0.9, 0.9))],
]
COUNT = sum(map(len, SHAPES))
TRIANGLE = COUNT - 1


class WhiteObjects:
    """A split of five images with five objects and a crowd; one image has none.

    Args:
        sizes: Height and width of each image in pixels.

    Attributes:
        images: Height and width, objects and outlines of each image.
        crowds: The labels of crowds.
    """

    def __init__(self, sizes: list[tuple[int, int]]) -> None:
        self.images: list[tuple[tuple[int, int], Objects, list]] = []
        label = 0
        for (height, width), shapes in zip(sizes, SHAPES, strict=True):
            boxes, outlines, crowd, areas = [], [], [], []
            for kind, shares in shapes:
                x1, y1, x2, y2 = np.round(np.multiply(shares, [width, height] * 2)).tolist()
                points = [(x1, y1), (x2, y1), (x2, y2), (x1, y2)]
                if kind == "triangle":
                    points = [(x1, y1), (x2, y1), (x1, y2)]
                flat = [value for point in points for value in point]
                (runs,) = coco.frPyObjects([flat], height, width)
                outlines.append(runs if kind in ("runs", "crowd") else [np.array(points)])
                boxes.append((x1, y1, x2, y2))
                crowd.append(kind == "crowd")
                areas.append(float(coco.area(runs)))
            rows = range(label, label + len(shapes))
            objects = Objects(
                boxes=np.array(boxes, dtype=np.float32).reshape(-1, 4),
                labels=np.arange(rows.start, rows.stop, dtype=np.int32),
                crowd=np.array(crowd, dtype=bool),
                areas=np.array(areas, dtype=np.float32),
                rows=rows,
            )
            self.images.append(((height, width), objects, outlines))
            label = rows.stop
        self.crowds = {
            number for _, own, _ in self.images for number in own.labels[own.crowd].tolist()
        }

    def source(self, white: int, *, masks: bool = True) -> AnnotatedImages:
        """The split, in which the object with a label is white; with -1 none is."""

        @contextmanager
        def read(place: int) -> Iterator[AnnotatedImage]:
            (height, width), objects, outlines = self.images[place]
            image = np.zeros((3, height, width), dtype=np.uint8)
            for label, outline in zip(objects.labels.tolist(), outlines, strict=True):
                if label == white:
                    flat = outline if isinstance(outline, dict) else self._runs(outline, place)
                    image[:, coco.decode(flat).astype(bool)] = 255
            yield AnnotatedImage(torch.from_numpy(image), objects, outlines if masks else None)

        return AnnotatedImages(read, lambda place: range(len(self.images)))

    def _runs(self, outline: list[np.ndarray], place: int) -> dict:
        return coco.frPyObjects([outline[0].ravel().tolist()], *self.images[place][0])[0]


def drawn(
    augment: DetectionAugment, source: AnnotatedImages, place: int, seed: int, *, masks: bool = True
) -> TransformedImage:
    """The sample of an image by a seed."""
    transform: DetectionTrainTransform = make_train_transform(augment, masks=masks, antialias=True)
    torch.manual_seed(seed)
    return transform.draw(place, source)
