"""The images or sweeps of an evaluation of boxes in space: scored, and drawn."""

from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

import numpy as np
import torch

from vision.callbacks.results.examples import Scored
from vision.contracts.boxes3d import CAMERA, LIDAR
from vision.draw.boxes3d import draw_boxes3d, true_boxes
from vision.draw.sweeps import draw_sweep
from vision.metrics.kitti.joined import join_images
from vision.metrics.kitti.metric import Images
from vision.metrics.kitti.objects import found_boxes
from vision.metrics.kitti.pairs import pair_objects, score_images
from vision.ops.boxes3d import move_boxes


def score_evaluated(images: Images, classes: Sequence[str], paths: Any) -> list[Scored]:
    """Score images by the overlaps in space of their pairs.

    Args:
        images: The images.
        classes: Names of the classes that count, as in the benchmark.
        paths: Path of each image of the dataset; None for none.
    """
    truth, found = ([pair[side] for pair in images.values()] for side in (0, 1))
    joined = join_images(truth, found)
    scores, counts = score_images(joined, [pair_objects(joined, name) for name in classes])
    return [
        Scored(place, score, count, "" if paths is None else PurePath(paths[place]).name)
        for place, score, count in zip(images, scores.tolist(), counts.tolist(), strict=True)
    ]


def draw_found(
    example: Any,
    images: Images,
    place: int,
    class_names: Sequence[str],
    palette: np.ndarray | None,
) -> np.ndarray:
    """Draw an image or a sweep of a dataset with its detections, and true objects dashed.

    Args:
        example: `image`, `camera` and `truth` of `example(i)` of the dataset; of a sweep `points`,
            `lidar_to_camera` and `truth`.
        images: What was evaluated.
        place: Index of the image.
        class_names: Name of each class of the model, by index.
        palette: As in `draw_boxes3d`.

    Returns:
        uint8 `(H, W, 3)` RGB.
    """
    found = found_boxes(images[place][1], class_names)
    if hasattr(example, "lidar_to_camera"):
        to_lidar = torch.linalg.inv(example.lidar_to_camera.double())
        return draw_sweep(
            example.points,
            move_boxes(found.boxes3d, to_lidar, CAMERA, LIDAR),
            labels=found.labels,
            scores=found.scores,
            class_names=class_names,
            palette=palette,
            truth=move_boxes(true_boxes(example.truth), to_lidar, CAMERA, LIDAR),
        )
    return draw_boxes3d(
        example.image,
        found.boxes3d,
        example.camera,
        labels=found.labels,
        scores=found.scores,
        class_names=class_names,
        palette=palette,
        truth=example.truth,
    )
