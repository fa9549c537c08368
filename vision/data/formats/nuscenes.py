"""nuScenes' key frames as images with boxes in their cameras' frames, and as points of the lidar.

Letters: N images, M objects, P points.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from vision.annotations.nuscenes import NuScenesTables
from vision.annotations.nuscenes_names import CLASSES, LIDAR
from vision.annotations.outlines import starts_of
from vision.contracts.boxes3d import CAMERA, NUSCENES, Frame
from vision.contracts.detection3d import OTHER
from vision.data.index.boxes3d import Boxes3DTable
from vision.errors import DataError
from vision.ops.box_projection import project_boxes
from vision.ops.boxes3d import from_nuscenes, move_boxes, observation_angle
from vision.reading import read_file

# Objects that are moved to cameras at once.
_BLOCK = 2**16
# x, y, z in metres, intensity, number of the beam; float32.
POINT_VALUES = 5
_MAX_POINTS_BYTES = 2**28
# KITTI's level for each level of visibility, which is the share seen in all six images.
_OCCLUSION = np.array([-1, 2, 1, 1, 0])


class LidarScene(NamedTuple):
    """A key frame in the frame of its lidar: x right, y ahead, z up; yaw 0 looks along x.

    Attributes:
        points: float32 `(P, 5)`, x, y, z in metres, intensity, number of the beam.
        boxes3d: float64 `(M, 7)`, as in `vision/contracts/boxes3d.py`.
        labels: int64 `(M,)`, index in `CLASSES`; `OTHER` for none.
        velocity: float64 `(M, 2)` along x and y in metres per second; NaN if unknown.
        lidar_points: int64 `(M,)`, annotated number of points on each object.
    """

    points: np.ndarray
    boxes3d: np.ndarray
    labels: np.ndarray
    velocity: np.ndarray
    lidar_points: np.ndarray


def object_names(tables: NuScenesTables) -> tuple[tuple[str, ...], np.ndarray]:
    """Names of the sorts of objects, and the class of each.

    Returns:
        The detection classes, then the categories of the tables; int64, `OTHER` for these.
    """
    names = (*CLASSES, *tables.categories)
    labels = np.full(len(names), OTHER, dtype=np.int64)
    labels[: len(CLASSES)] = np.arange(len(CLASSES))
    return names, labels


def camera_readings(
    tables: NuScenesTables, scenes: Sequence[str], cameras: Sequence[str]
) -> np.ndarray:
    """Readings of cameras in some scenes, by key frame and then by camera, int64 `(N,)`.

    Raises:
        DataError: An image has no size or no camera matrix.
    """
    chosen = np.isin(tables.scenes, list(scenes))[tables.scene_of]
    channels = [tables.channels.index(name) for name in cameras]
    readings = tables.reading_of[chosen][:, channels].ravel()
    readings = readings[readings >= 0]
    read = tables.readings
    focal = read.intrinsics[readings][:, [0, 1], [0, 1]]
    wrong = (focal <= 0).any(axis=1) | (read.intrinsics[readings, 2] != [0, 0, 1]).any(axis=1)
    for bad, table, what in (
        (wrong, "calibrated_sensor", "a 'camera_intrinsic' with focal lengths above 0"),
        ((read.sizes[readings] <= 0).any(axis=1), "sample_data", "a 'height' and 'width' above 0"),
    ):
        if bad.any():
            file = read.files[readings[bad.argmax()]].decode()
            raise DataError(
                f"the image '{file}' and {int(bad.sum()) - 1:,} more lack {what}: see "
                f"'{tables.folder / table}.json'. Unpack the archive of the metadata again."
            )
    return readings


def camera_matrices(tables: NuScenesTables, readings: np.ndarray) -> np.ndarray:
    """Projections of images from the frames of their cameras, float64 `(N, 3, 4)`."""
    projections = np.zeros((len(readings), 3, 4))
    projections[:, :, :3] = tables.readings.intrinsics[readings]
    return projections


def camera_objects(tables: NuScenesTables, readings: np.ndarray) -> Boxes3DTable:
    """What is seen of the annotated objects in images.

    An object is in an image if its centre is in front of the camera and a part of it within the
    border. Objects without a point of the lidar or a radar are left out, as in evaluations.

    Args:
        tables: The tables.
        readings: int64 `(N,)`, the images.
    """
    names = _names(tables)
    to_sensor = _to_sensors(tables, readings)
    parts = [
        _seen(tables, readings[image], to_sensor[image], image, rows)
        for image, rows in _candidates(tables, readings)
    ]
    image, rows, boxes3d, boxes, whole, velocity = (
        np.concatenate(part) for part in zip(*parts, strict=True)
    )
    area, full = ((one[:, 2:] - one[:, :2]).prod(axis=1) for one in (boxes, whole))
    return Boxes3DTable(
        starts=starts_of(np.bincount(image, minlength=len(readings))),
        names=names[rows].astype(np.int32),
        boxes3d=boxes3d,
        boxes=boxes,
        alpha=observation_angle(torch.from_numpy(boxes3d)).numpy(),
        truncation=1 - area / full,
        occlusion=_OCCLUSION[tables.objects.visibility[rows]],
        velocity=velocity,
    )


def lidar_scene(tables: NuScenesTables, root: Path, sample: int) -> LidarScene:
    """The points and the objects of a key frame in the frame of its lidar.

    Args:
        tables: The tables, with the readings of the lidar.
        root: Folder of `samples`.
        sample: Number of the key frame.

    Raises:
        DataError: The key frame has no points, or their file is absent or broken.
    """
    reading = int(tables.reading_of[sample, tables.channels.index(LIDAR)])
    if reading < 0:
        token = tables.samples[sample].decode()
        raise DataError(f"key frame '{token}' has no reading of {LIDAR} in '{tables.folder}'.")
    rows = np.arange(len(tables.objects.samples))[tables.objects_of(sample)]
    to_sensor = _to_sensors(tables, np.full(len(rows), reading))
    # Its yaw begins at x, as in the map.
    boxes, velocity = _moved(tables, to_sensor, rows, NUSCENES)
    return LidarScene(
        points=read_points(root / tables.readings.files[reading].decode()),
        boxes3d=boxes,
        labels=tables.objects.labels[rows],
        velocity=velocity[:, :2],
        lidar_points=tables.objects.lidar_points[rows],
    )


def read_points(path: Path) -> np.ndarray:
    """Points of a file of nuScenes' lidar, float32 `(P, 5)`.

    Raises:
        DataError: The file is absent, or is not rows of five finite numbers.
    """
    data = read_file(path, max_bytes=_MAX_POINTS_BYTES, what="file of points")
    size = 4 * POINT_VALUES
    if len(data) % size:
        raise DataError(
            f"file of points '{path}' has {len(data):,} bytes, expected a multiple of {size}: x, "
            "y, z, intensity and beam of each point in float32. Copy it again."
        )
    points = np.frombuffer(data, dtype="<f4").reshape(-1, POINT_VALUES)
    if not np.isfinite(points).all():
        row = int(np.flatnonzero(~np.isfinite(points).all(axis=1))[0])
        raise DataError(
            f"file of points '{path}' has the point {points[row].tolist()} at {row:,}, expected "
            "finite numbers. Copy it again."
        )
    return points.astype(np.float32)


def _names(tables: NuScenesTables) -> np.ndarray:
    """Place of each object's name in `object_names`."""
    objects = tables.objects
    return np.where(objects.labels >= 0, objects.labels, len(CLASSES) + objects.categories)


def _candidates(
    tables: NuScenesTables, readings: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Place of an image and an object of its key frame, of all pairs, in blocks."""
    counts = np.diff(tables.object_starts)[tables.readings.samples[readings]]
    yield (np.zeros(0, dtype=np.int64),) * 2
    if not len(readings):
        return
    parts = np.cumsum(counts) // _BLOCK
    for own in np.split(np.arange(len(readings)), np.flatnonzero(np.diff(parts)) + 1):
        image = np.repeat(own, counts[own])
        first = np.cumsum(counts[own]) - counts[own]
        step = np.arange(len(image)) - np.repeat(first, counts[own])
        rows = tables.object_starts[tables.readings.samples[readings[image]]] + step
        objects = tables.objects
        known = objects.lidar_points[rows] + objects.radar_points[rows] != 0
        yield image[known], rows[known]


def _seen(
    tables: NuScenesTables,
    reading: np.ndarray,
    to_sensor: np.ndarray,
    image: np.ndarray,
    rows: np.ndarray,
) -> tuple[np.ndarray, ...]:
    """Of pairs those that are seen: image, object, box in space, in the image, uncut, velocity."""
    boxes3d, velocity = _moved(tables, to_sensor, rows, CAMERA)
    ahead = boxes3d[:, 2] > 0
    image, reading, rows, boxes3d, velocity = (
        column[ahead] for column in (image, reading, rows, boxes3d, velocity)
    )
    projections = torch.from_numpy(camera_matrices(tables, reading))
    whole = project_boxes(torch.from_numpy(boxes3d), projections)[0].numpy()
    border = np.tile(tables.readings.sizes[reading][:, ::-1], 2)
    cut = np.clip(whole, 0, border)
    seen = (cut[:, 2:] > cut[:, :2]).all(axis=1)
    columns = (image, rows, boxes3d, cut, whole, velocity[:, [0, 2]])
    return tuple(column[seen] for column in columns)


def _to_sensors(tables: NuScenesTables, readings: np.ndarray) -> np.ndarray:
    """From the map to the sensor of each reading, float64 `(N, 4, 4)`."""
    read = tables.readings
    return np.linalg.inv(read.to_global[readings] @ read.to_vehicle[readings])


def _moved(
    tables: NuScenesTables, to_sensor: np.ndarray, rows: np.ndarray, frame: Frame
) -> tuple[np.ndarray, np.ndarray]:
    """Objects in the frames of sensors: boxes `(M, 7)` and velocities `(M, 3)`."""
    objects = tables.objects
    centres, sizes, rotations = (
        torch.from_numpy(column[rows])
        for column in (objects.centres, objects.sizes, objects.rotations)
    )
    boxes = from_nuscenes(centres, sizes, rotations)
    moved = move_boxes(boxes, torch.from_numpy(to_sensor), NUSCENES, frame).numpy()
    velocity = (to_sensor[:, :3, :3] @ objects.velocities[rows][..., None]).squeeze(-1)
    return moved, velocity
