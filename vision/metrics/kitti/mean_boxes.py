"""Mean boxes at the rectangles of objects: what is known of boxes in space without looking.

Each rectangle in the image gets a box of the mean size of its class with the most frequent yaw, at
the depth that the height of the rectangle gives.

Letters: N objects.
"""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from vision.annotations.kitti import CLASSES, KittiObjects, read_objects
from vision.metrics.kitti.evaluation import CLASSES as EVALUATED
from vision.ops.angles import wrapped
from vision.ops.box_projection import project_boxes
from vision.ops.boxes3d import from_kitti

# Parts of a turn among which the most frequent yaw is chosen.
YAWS = 16


class MeanBox(NamedTuple):
    """A box of a class.

    Attributes:
        size: float64 `(3,)`, mean height, width and length in metres.
        yaw: `rotation_y` in radians, the mean of those in the most frequent part of the turn.
    """

    size: np.ndarray
    yaw: float


def read_labels(folder: Path, names: Iterable[str]) -> list[KittiObjects]:
    """Read the labels of images, such as those of `training/label_2`; as `read_objects`."""
    return [read_objects(folder / f"{name}.txt", scored=False) for name in names]


def mean_boxes(images: Iterable[KittiObjects]) -> dict[str, MeanBox]:
    """Average the objects of each class that the benchmark evaluates.

    Args:
        images: The labels of each image.

    Returns:
        The mean boxes by class; a class without objects has none.
    """
    images = list(images)
    means = {}
    for name in EVALUATED:
        chosen = [one.classes == CLASSES.index(name) for one in images]
        sizes = np.concatenate([one.sizes[own] for one, own in zip(images, chosen, strict=True)])
        yaws = np.concatenate([one.rotation[own] for one, own in zip(images, chosen, strict=True)])
        if len(yaws):
            means[name] = MeanBox(sizes.mean(axis=0), frequent_yaw(yaws))
    return means


def frequent_yaw(yaws: np.ndarray) -> float:
    """The mean of the yaws `(N,)` in the most frequent of `YAWS` parts of the turn, in radians.

    A part is about each multiple of 2 pi / `YAWS`, so that the directions along and across a road
    are in the middle of theirs.
    """
    step = 2 * math.pi / YAWS
    parts = np.rint(yaws / step).astype(np.int64)
    part = int(np.bincount(parts % YAWS, minlength=YAWS).argmax())
    rest = (yaws - parts * step)[parts % YAWS == part]
    yaw = part * step + float(rest.mean())
    return wrapped(yaw)


def place_boxes(
    objects: KittiObjects, means: dict[str, MeanBox], projection: np.ndarray, *, rounds: int = 0
) -> KittiObjects:
    """Put mean boxes where the rectangles of objects are.

    Args:
        objects: The labels of an image, of which the classes and the rectangles are read.
        means: The boxes by class; objects of other classes are left out.
        projection: `(3, 4)`, `P2`.
        rounds: How often boxes are moved so that their own rectangles get the height and the middle
            of those of the objects. With 0 the middle of a box is seen in the middle of the
            rectangle, at the depth at which something upright of its height is so high: where the
            near end of a car is.

    Returns:
        The boxes as detections; higher rectangles, which are nearer, have higher scores.
    """
    known = [i for i, index in enumerate(objects.classes) if CLASSES[index] in means]
    boxes = objects.boxes[known]
    chosen = [means[CLASSES[index]] for index in objects.classes[known]]
    sizes = np.array([mean.size for mean in chosen]).reshape(-1, 3)
    yaws = np.array([mean.yaw for mean in chosen])
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    rows = np.maximum(boxes[:, 3] - boxes[:, 1], 1)
    depth, pixel = projection[1, 1] * sizes[:, 0] / rows, middle.copy()
    bottoms = _bottoms(pixel, depth, sizes, projection)
    for _ in range(rounds):
        numbers = from_kitti(torch.from_numpy(np.column_stack([sizes, bottoms, yaws])))
        matrices = torch.from_numpy(projection).expand(len(known), 3, 4)
        own = project_boxes(numbers, matrices)[0].numpy()
        depth *= (own[:, 3] - own[:, 1]) / rows
        pixel += middle - (own[:, :2] + own[:, 2:]) / 2
        bottoms = _bottoms(pixel, depth, sizes, projection)
    return KittiObjects(
        classes=objects.classes[known],
        truncation=np.zeros(len(known)),
        occlusion=np.zeros(len(known)),
        alpha=yaws - np.arctan2(bottoms[:, 0], bottoms[:, 2]),
        boxes=boxes,
        sizes=sizes,
        locations=bottoms,
        rotation=yaws,
        scores=rows / (1 + rows),
    )


def _bottoms(
    pixel: np.ndarray, depth: np.ndarray, sizes: np.ndarray, projection: np.ndarray
) -> np.ndarray:
    """The middles `(N, 3)` of the bottoms of boxes whose middles are seen at pixels `(N, 2)`."""
    scaled = np.column_stack([pixel * depth[:, None], depth]) - projection[:, 3]
    centers: np.ndarray = np.linalg.solve(projection[:, :3], scaled.T).T
    centers[:, 1] += sizes[:, 0] / 2
    return centers
