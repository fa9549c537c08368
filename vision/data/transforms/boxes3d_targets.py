"""What is learned of the objects of an image with a known camera."""

import numpy as np
import torch

from vision.contracts.boxes3d import HEIGHT, LENGTH, WIDTH, YAW
from vision.contracts.detection3d import MonocularTarget
from vision.data.index.boxes3d import SceneObjects
from vision.data.transforms.boxes3d_options import LearnedObjects
from vision.data.transforms.boxes3d_views import ImageView


def learned_objects(objects: SceneObjects, rules: LearnedObjects) -> np.ndarray:
    """Which objects are learned wherever their image shows them, bool `(N,)`.

    Args:
        objects: Those of one image.
        rules: The limits.
    """
    first = np.arange(len(objects.labels)) < rules.max_lines
    return first & fitting_objects(objects, rules)


def fitting_objects(objects: SceneObjects, rules: LearnedObjects) -> np.ndarray:
    """Which objects of a class keep all limits but that of their number, bool `(N,)`.

    Args:
        objects: Those of any number of images.
        rules: The limits.
    """
    depth = objects.boxes3d[:, 2]
    # As in KITTI's code, both border rows count.
    height = objects.boxes[:, 3] - objects.boxes[:, 1] + 1
    return (
        (objects.labels >= 0)
        & (depth >= rules.depth[0])
        & (depth <= rules.depth[1])
        & (height >= rules.min_height)
        & (objects.truncation <= rules.max_truncation)
        & (objects.occlusion <= rules.max_occlusion)
    )


def projected_centres(boxes3d: np.ndarray, camera: np.ndarray) -> np.ndarray:
    """Columns and rows `(N, 2)` of the centres of boxes `(N, 7)`, divided by their own depth.

    The third row of the camera is left out, as in KITTI's code and where boxes are located again:
    it has only what the camera is behind the origin, some millimetres.

    Args:
        boxes3d: In the frame `CAMERA`, in front of it.
        camera: `(3, 4)`, or `(N, 3, 4)` of each.
    """
    centres = boxes3d[:, :3]
    seen = np.einsum("...ij,...j->...i", camera[..., :2, :3], centres)
    return (seen + camera[..., :2, 3]) / centres[:, 2:]


def make_target(
    objects: SceneObjects, camera: np.ndarray, view: ImageView, *, consistent: bool
) -> MonocularTarget:
    """What is learned of objects that an input shows.

    Args:
        objects: Objects to learn, in front of the camera.
        camera: float64 `(3, 4)`, the projection to the image.
        view: How the input lies in the image.
        consistent: Whether depth and angles are those of the camera of the input. Otherwise, as
            published, depth is multiplied by the scale of the crop, and the angle is that of the
            mirrored 2-D box, seen by the camera of the image.

    Returns:
        The target of those whose projected centre is inside the input and inside their 2-D box.
    """
    height, width = view.size
    centres = view.points(projected_centres(objects.boxes3d, camera))
    boxes = view.boxes(objects.boxes)
    sides = np.concatenate([centres - boxes[:, :2], boxes[:, 2:] - centres], axis=1)
    inside = ((centres >= 0) & (centres < [width, height])).all(axis=1)
    kept = np.flatnonzero(inside & (sides >= 0).all(axis=1))
    objects, boxes = objects.take(kept), boxes[kept]
    # Left, right, top, bottom.
    places = np.concatenate([centres, sides[:, [0, 2, 1, 3]]], axis=1)[kept]
    shares = places / [width, height, width, width, height, height]
    boxes3d = view.boxes3d(objects.boxes3d)
    if consistent:
        depth, seen, eye = boxes3d[:, 2], boxes, view.camera(camera)
    else:
        depth, eye = boxes3d[:, 2] * view.crop_scale, camera
        mirror = ImageView(view.image_size, view.image_size, flip=view.flip)
        seen = mirror.boxes(objects.boxes)
    middle = (seen[:, 0] + seen[:, 2]) / 2
    alpha = boxes3d[:, YAW] - np.arctan2(middle - eye[0, 2], eye[0, 0])
    return {
        "labels": torch.from_numpy(objects.labels),
        "boxes": _floats(shares),
        "boxes2d": _floats(boxes / [width, height, width, height]),
        "sizes": _floats(boxes3d[:, [HEIGHT, WIDTH, LENGTH]]),
        "depth_m": _floats(depth),
        "alpha": _floats(alpha),
    }


def _floats(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
