"""Annotations and predictions of boxes in space as the objects of KITTI's text.

Letters: N objects.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vision.annotations.kitti import (
    CLASSES,
    DONT_CARE,
    KittiObjects,
    class_index,
    write_objects,
)
from vision.contracts.detection3d import Boxes3DPrediction, Boxes3DTruth
from vision.errors import ConfigError, suggest
from vision.ops.boxes3d import from_kitti, to_kitti

# Of annotations: their numbers are float32, which have the text's decimals only after rounding.
TRUE_DECIMALS = 4
# What the benchmark calls objects that are none of its classes.
_OTHER = CLASSES.index("Misc")
# In the text of regions that have no place in space.
_NO_SIZE, _NO_PLACE, _NO_ANGLE = -1.0, -1000.0, -10.0


class FoundBoxes(NamedTuple):
    """Detections of one image as tensors, M boxes.

    Attributes:
        boxes3d: float64 `(M, 7)` in the frame of the camera.
        labels: int64 `(M,)` class index.
        scores: float64 `(M,)`.
    """

    boxes3d: Tensor
    labels: Tensor
    scores: Tensor


def true_objects(truth: Boxes3DTruth) -> KittiObjects:
    """What is annotated in an image; classes that KITTI does not know are `Misc`."""
    classes = _classes(truth["names"])
    objects = _objects(truth["boxes3d"], truth["boxes"], truth["alpha"], classes, TRUE_DECIMALS)
    region = classes == DONT_CARE
    objects.sizes[region], objects.locations[region] = _NO_SIZE, _NO_PLACE
    objects.alpha[region] = objects.rotation[region] = _NO_ANGLE
    return objects._replace(
        truncation=_rounded(truth["truncation"], TRUE_DECIMALS),
        occlusion=_rounded(truth["occlusion"], 0),
    )


def found_objects(
    prediction: Boxes3DPrediction, names: Sequence[str], *, decimals: int
) -> KittiObjects:
    """What was found in an image, as the text of so many decimals has it.

    Args:
        prediction: The objects.
        names: Name of each class by label; those that KITTI does not know become `Misc`.
        decimals: To which all numbers are rounded.
    """
    classes = _classes(names)[prediction["labels"].cpu().numpy()]
    objects = _objects(
        prediction["boxes3d"], prediction["boxes"], prediction["alpha"], classes, decimals
    )
    return objects._replace(scores=_rounded(prediction["scores"], decimals))


def found_boxes(objects: KittiObjects, names: Sequence[str]) -> FoundBoxes:
    """Detections as boxes with labels, the inverse of `found_objects` but for rounding.

    Args:
        objects: The detections; those of other classes are left out.
        names: Name of each class by label.
    """
    known = {name.lower(): label for label, name in enumerate(names)}
    labels = np.array([known.get(CLASSES[k].lower(), -1) for k in objects.classes], dtype=np.int64)
    kept = labels >= 0
    numbers = [objects.sizes, objects.locations, objects.rotation[:, None]]
    boxes = from_kitti(torch.from_numpy(np.concatenate(numbers, axis=1)[kept]))
    return FoundBoxes(boxes, torch.from_numpy(labels[kept]), torch.from_numpy(objects.scores[kept]))


def kitti_text(prediction: Boxes3DPrediction, names: Sequence[str], *, decimals: int) -> str:
    """The text of what was found in an image, a line each; arguments as in `found_objects`.

    Raises:
        ConfigError: A class is none of KITTI's.
    """
    check_kitti_names(names)
    found = found_objects(prediction, names, decimals=decimals)
    return write_objects(found, decimals=decimals)


def check_kitti_names(names: Sequence[str]) -> None:
    """Check that KITTI's text has a name for each class.

    Raises:
        ConfigError: It has none for one of them.
    """
    for name in names:
        if class_index(name) is None:
            raise ConfigError(
                f"KITTI's text has no class '{name}', only {', '.join(CLASSES)}."
                f"{suggest(name, CLASSES)} Give the model such class_names, or use to_dict()."
            )


def is_kitti(names: Sequence[str]) -> bool:
    """Whether KITTI's text has a name for each class, of which there are some."""
    return bool(names) and all(class_index(name) is not None for name in names)


def _classes(names: Sequence[str]) -> np.ndarray:
    indices = [class_index(name) for name in names]
    return np.array([_OTHER if index is None else index for index in indices], dtype=np.int64)


def _objects(
    boxes3d: Tensor, boxes: Tensor, alpha: Tensor, classes: np.ndarray, decimals: int
) -> KittiObjects:
    numbers = _rounded(to_kitti(boxes3d.detach().double()), decimals)
    count = len(classes)
    return KittiObjects(
        classes=classes,
        truncation=np.zeros(count),
        occlusion=np.zeros(count),
        alpha=_rounded(alpha, decimals),
        boxes=_rounded(boxes, decimals),
        sizes=numbers[:, :3],
        locations=numbers[:, 3:6],
        rotation=numbers[:, 6],
        scores=np.full(count, np.nan),
    )


def _rounded(values: Tensor, decimals: int) -> np.ndarray:
    wide = values.detach().to("cpu", torch.float64).numpy()
    rounded: np.ndarray = np.round(wide, decimals)
    return rounded
