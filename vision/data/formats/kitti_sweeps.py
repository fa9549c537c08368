"""Calibrations and labels of KITTI's sweeps, as arrays."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vision.data.formats.kitti_objects import join_objects, read_label, require_file
from vision.data.formats.projections import KittiCalibration, read_calibration
from vision.data.images.sizes import read_sizes
from vision.data.index.boxes3d import Boxes3DTable
from vision.errors import DataError


class KittiSweepFiles(NamedTuple):
    """Files of one sweep.

    Attributes:
        sweep: Its path.
        image: That of the image, of which the size alone is read.
        calibration: That of the calibration.
        label: That of the label file; None where there is none.
    """

    sweep: str
    image: str
    calibration: Path
    label: Path | None


class KittiSweeps(NamedTuple):
    """What could be read of some sweeps.

    Attributes:
        sweeps: Path of each.
        cameras: float64 `(N, 3, 4)`, projection to the image of each.
        lidar_to_camera: float64 `(N, 4, 4)`, from the frame of each to that of the camera.
        sizes: int64 `(N, 2)`, height and width of the image in pixels.
        objects: Their objects; None if they have no labels.
        problems: A message for everything that could not be read; its sweep is left out.
    """

    sweeps: list[str]
    cameras: np.ndarray
    lidar_to_camera: np.ndarray
    sizes: np.ndarray
    objects: Boxes3DTable | None
    problems: list[str]


def read_sweeps(files: Sequence[KittiSweepFiles], *, all_around: bool) -> KittiSweeps:
    """Read calibrations and labels of sweeps, and collect all that is wrong.

    Args:
        files: Those of each sweep; all have labels, or none.
        all_around: Whether objects may be where the camera does not see them, without 2-D boxes.
    """
    problems: list[str] = []
    sizes = read_sizes([one.image for one in files], problems.append)
    kept, calibrations, read = [], [], []
    for place, one in enumerate(files):
        found: list[str] = []
        calibration = _read_calibration(one, found)
        objects = None
        if one.label is not None:
            name = f"sweep '{one.sweep}'"
            objects = read_label(one.label, name, found, all_around=all_around)
        problems += found
        if calibration is not None and not found and sizes[place].all():
            kept.append(place)
            calibrations.append(calibration)
            read.append(objects)
    known = [objects for objects in read if objects is not None]
    labelled = any(one.label is not None for one in files)
    return KittiSweeps(
        sweeps=[files[place].sweep for place in kept],
        cameras=np.array([one.projection for one in calibrations]).reshape(-1, 3, 4),
        lidar_to_camera=np.array([one.lidar_to_camera for one in calibrations]).reshape(-1, 4, 4),
        sizes=sizes[kept].astype(np.int64).reshape(-1, 2),
        objects=join_objects(known) if labelled else None,
        problems=problems,
    )


def _read_calibration(files: KittiSweepFiles, problems: list[str]) -> KittiCalibration | None:
    try:
        require_file(files.calibration, "calibration")
        return read_calibration(files.calibration)
    except DataError as error:
        problems.append(f"sweep '{files.sweep}': {error}")
        return None
