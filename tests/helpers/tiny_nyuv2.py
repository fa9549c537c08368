"""Tiny copies of the layouts of NYU Depth V2 and of KITTI's annotated depth."""

from pathlib import Path

import h5py
import numpy as np
from helpers.pictures import texture
from helpers.tiny_depth import CAMERA, SIZE, scene, write_depth, write_normals, write_picture
from scipy.io import savemat

# Numbers of the images of each split, from 1 on.
NUMBERS = {"trainNdxs": (2, 3, 5, 6), "testNdxs": (1, 4)}
COUNT = 6
DRIVES = {"train": ("2011_09_26_drive_0001_sync", 4), "val": ("2011_09_28_drive_0002_sync", 2)}


def rooms() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images uint8 `(6, 24, 32, 3)`, depths float32 `(6, 24, 32)`, normals `(6, 3, 24, 32)`."""
    scenes = [scene(seed) for seed in range(COUNT)]
    images = np.stack([texture(*SIZE, seed=seed) for seed in range(COUNT)])
    depths, normals = (np.stack(maps) for maps in zip(*scenes, strict=True))
    return images, depths.astype(np.float32), normals


def write_labeled(root: Path) -> Path:
    """Write `nyu_depth_v2_labeled.mat`, whose raw depth has a hole, and `splits.mat`."""
    root.mkdir(parents=True, exist_ok=True)
    images, depths, _ = rooms()
    path = root / "nyu_depth_v2_labeled.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["images"] = images.transpose(0, 3, 2, 1)  # (N, 3, width, height)
        file["depths"] = depths.transpose(0, 2, 1)
        raw = depths.copy()
        raw[:, 5:9, 7:10] = 0
        file["rawDepths"] = raw.transpose(0, 2, 1)
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(116))
    savemat(root / "splits.mat", {k: np.array(v, np.uint16)[:, None] for k, v in NUMBERS.items()})
    return path


def write_extracted(root: Path) -> None:
    """Write the same images in files of their own."""
    images, depths, normals = rooms()
    for split, name in (("train", "trainNdxs"), ("test", "testNdxs")):
        for number in NUMBERS[name]:
            place, file = number - 1, f"{split}/{number:05d}.png"
            write_picture(root / "images" / file, place)
            write_depth(root / "depth" / file, depths[place])
            write_normals(root / "normals" / file, normals[place])
    assert len(images) == COUNT


def write_kitti(root: Path) -> None:
    """Write two drives of two days, with lists that name an image without depth."""
    seed = 0
    for split, (drive, count) in DRIVES.items():
        day, lines = root / drive[:10], []
        for number in range(count):
            name = f"{number + 5:010d}.png"
            depth, _ = scene(seed)
            depth[::2] = 0
            image, truth = (
                f"{drive[:10]}/{drive}/image_02/data/{name}",
                f"{drive}/proj_depth/groundtruth/image_02/{name}",
            )
            write_picture(root / image, seed)
            write_depth(root / "data_depth_annotated" / split / truth, depth, 256)
            lines.append(f"{image} {truth} 721.5377\n")
            seed += 1
        lines.append(f"{drive[:10]}/{drive}/image_02/data/0000000099.png None 721.5377\n")
        fx, fy, cx, cy = CAMERA
        (day / "calib_cam_to_cam.txt").write_text(
            f"K_02: 1 0 1 0 1 1 0 0 1\nP_rect_02: {fx} 0 {cx} 44.9 0 {fy} {cy} 0.2 0 0 1 0.003\n"
        )
        name = "train" if split == "train" else "test"
        (root / f"eigen_{name}_files_with_gt.txt").write_text("".join(lines))
