"""A small dataset in the exact layout of KITTI's depth prediction: digits that stand in rooms.

The layout follows "Sparsity Invariant CNNs", J. Uhrig et al., 2017, for the annotated depth, and
"Vision meets Robotics: The KITTI Dataset", A. Geiger et al., 2013, for the raw images.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from vision.data.synthetic.folder import replace_folder
from vision.data.synthetic.space_camera import Camera
from vision.data.synthetic.space_render import photograph, view
from vision.data.synthetic.space_splits import RoomSamples, compose_rooms
from vision.ops.depth_writing import KITTI, write_depth

# Each day has one calibration, and so each room a day and a drive of its own.
FIRST_DAY = np.datetime64("2011-09-26")
# Annotations begin after the first frames of a drive, as they gather the scans around each.
FIRST_FRAME = 5
# The scanner sees every second row, four of five of its pixels, and nothing above this share of the
# image.
SCAN_STEP, SCAN_SHARE, SCAN_TOP = 2, 0.8, 0.3
LISTS = {"train": "eigen_train_files_with_gt.txt", "val": "eigen_test_files_with_gt.txt"}
ANNOTATED = "data_depth_annotated"


class Paths(NamedTuple):
    """Where the files of a room lie, below the root or the folder of annotations."""

    date: str
    image: str
    depth: str


def write_kitti_depth(root: Path | str, samples: RoomSamples) -> dict[str, tuple[int, int]]:
    """Compose and write a dataset.

    The tree is that of the raw data, `DATE/DRIVE_sync/image_02/data/0000000005.png` with
    `DATE/calib_cam_to_cam.txt`, and of the annotated depth,
    `data_depth_annotated/{train,val}/DRIVE_sync/proj_depth/groundtruth/image_02/*.png` (16 bits,
    256 values a metre, 0 for no reading). `eigen_{train,test}_files_with_gt.txt` list the image,
    the depth and the focal length of each room, as the Eigen split is mostly written down.

    Args:
        root: The folder to make. A folder from an earlier call is replaced.
        samples: What to compose.

    Returns:
        Numbers of images and of depth maps, by split.

    Raises:
        DataError: `root` holds something else.
    """
    with replace_folder(root, {"dataset": "kitti_depth", **asdict(samples)}) as folder:
        day = 0
        for split, name in LISTS.items():
            lines = []
            for _, world, rng in compose_rooms(samples, split):
                paths, day = paths_of(day), day + 1
                (folder / paths.image).parent.mkdir(parents=True)
                Image.fromarray(photograph(world, rng)).save(folder / paths.image)
                text = calibration(world.camera)
                (folder / paths.date / "calib_cam_to_cam.txt").write_text(text)
                depth = view(world).depth
                scanned = np.where(scan(rng, depth.shape), depth, np.float32(0))
                write_depth(folder / ANNOTATED / split / paths.depth, scanned, scale=KITTI)
                lines.append(f"{paths.image} {paths.depth} {world.camera.focal_px:.4f}\n")
            (folder / name).write_text("".join(lines))
    return {split: (getattr(samples, split),) * 2 for split in LISTS}


def paths_of(day: int) -> Paths:
    """The paths of a room's files; a room is a drive of one frame, on a day of its own."""
    date = str(FIRST_DAY + day).replace("-", "_")
    drive, frame = f"{date}_drive_0001_sync", f"{FIRST_FRAME:010d}.png"
    return Paths(
        date,
        f"{date}/{drive}/image_02/data/{frame}",
        f"{drive}/proj_depth/groundtruth/image_02/{frame}",
    )


def calibration(camera: Camera) -> str:
    """The text of `calib_cam_to_cam.txt`, of the left colour camera alone."""
    fx, fy, cx, cy = camera.intrinsics
    size = (camera.width, camera.height)
    rows: dict[str, Sequence[float]] = {
        "S_02": size,
        "K_02": (fx, 0, cx, 0, fy, cy, 0, 0, 1),
        "D_02": (0,) * 5,
        "R_02": (1, 0, 0, 0, 1, 0, 0, 0, 1),
        "T_02": (0,) * 3,
        "S_rect_02": size,
        "R_rect_02": (1, 0, 0, 0, 1, 0, 0, 0, 1),
        "P_rect_02": (fx, 0, cx, 0, 0, fy, cy, 0, 0, 0, 1, 0),
    }
    lines = ["calib_time: 09-Jan-2012 13:57:47", "corner_dist: 9.950000e-02"]
    lines += [f"{key}: {' '.join(f'{value:.6e}' for value in row)}" for key, row in rows.items()]
    return "\n".join(lines) + "\n"


def scan(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Choose the pixels with a reading, bool `(H, W)`, as a scanner of some rows leaves them."""
    height, width = shape
    seen = rng.random((height, width)) < SCAN_SHARE
    seen[: round(SCAN_TOP * height)] = False
    rows = np.arange(height) % SCAN_STEP == 0
    return seen & rows[:, None]
