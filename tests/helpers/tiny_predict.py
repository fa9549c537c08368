"""Small models that are ready to predict, for the tests of predictions."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from helpers.pictures import texture
from helpers.tiny_dense import tiny_dense
from helpers.tiny_detection import tiny_detector
from helpers.tiny_detection3d import sure_detection3d
from helpers.tiny_panoptic import sure_panoptic
from helpers.tiny_point_task import tiny_points
from helpers.tiny_segmentation import tiny_segmentor
from helpers.tiny_task import TINY_CONVNEXT, tiny_task
from helpers.tiny_volume_task import tiny_volumes
from PIL import Image

from vision.predict.model import Model
from vision.tasks import MultiLabel
from vision.tasks.classes import ClassTask

PREPROCESSING: dict[str, dict[str, Any]] = {
    "classification": {"image_size": 32, "crop": 0.8, "interpolation": "bilinear"},
    "multilabel": {"image_size": 32, "crop": 0.8, "interpolation": "bilinear"},
    "detection": {"short_side": 48, "long_side": 80},
    "segmentation": {"short_side": 48, "long_side": 80},
    "panoptic": {"long_side": 64, "canvas": [64, 80]},
    "depth": {"short_side": 48, "long_side": 80},
    "normals": {"short_side": 48, "long_side": 80},
    "detection3d": {"image_size": [64, 96]},
    "volumes": {"orientation": "RAS", "intensity": "zscore"},
    "points": {"voxel_size": 0.1},
}
NAMES = ("egg", "disc", "pebble", "leaf", "twig", "bark", "moss", "fern")


def tiny_model(kind: str, **options: Any) -> Model:
    """A model of the kind with the same weights every time."""
    build: dict[str, Any] = {
        "classification": tiny_task,
        "multilabel": _tiny_multilabel,
        "detection": tiny_detector,
        "segmentation": tiny_segmentor,
        "panoptic": sure_panoptic,
        "depth": partial(tiny_dense, "depth"),
        "normals": partial(tiny_dense, "normals"),
        "detection3d": sure_detection3d,
        "volumes": tiny_volumes,
        "points": tiny_points,
    }
    task = build[kind](**options)
    if isinstance(task, ClassTask):
        task.class_names = list(NAMES[: task.num_classes])
    task.preprocessing = PREPROCESSING[kind]
    return Model(task, task.describe())


def _tiny_multilabel(**options: Any) -> MultiLabel:
    torch.manual_seed(0)
    return MultiLabel("convnext", 8, backbone_options=TINY_CONVNEXT, **options)


def write_pictures(
    folder: Path, names: tuple[str, ...], size: tuple[int, int] = (40, 60)
) -> list[str]:
    """Write an image under each name; sizes differ by a few pixels."""
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(texture(size[0] + number % 3, size[1], seed=number)).save(path)
    return [str(folder / name) for name in names]


def image_of(path: str) -> np.ndarray:
    """The pixels of a file, by Pillow: uint8 `(H, W, 3)`."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def as_tensor(array: np.ndarray) -> torch.Tensor:
    """`(H, W, 3)` to `(3, H, W)`."""
    return torch.from_numpy(np.ascontiguousarray(array.transpose(2, 0, 1)))
