"""Tiny pictures of planes whose depth, normals and camera are known, and folders of them."""

from pathlib import Path
from typing import Any

import numpy as np
from helpers.pictures import texture
from PIL import Image

from vision.ops.camera import pixel_rays

SIZE = (24, 32)
CAMERA = (30.0, 31.0, 15.0, 12.5)
COUNTS = {"train": 4, "val": 2}


def unit(vector: Any) -> np.ndarray:
    """A vector of length 1."""
    return np.asarray(vector, dtype=np.float64) / np.linalg.norm(vector)


def plane_depth(
    normal: Any,
    distance: float,
    *,
    size: tuple[int, int] = SIZE,
    camera: Any = CAMERA,
) -> np.ndarray:
    """Depth of the plane normal . p = -distance, float64 `(H, W)` metres; 0 behind the camera."""
    x, y = pixel_rays(size, np.array(camera))
    slopes = -(normal[0] * x + normal[1] * y[:, None] + normal[2])
    return np.where(slopes > 1e-3, distance / np.maximum(slopes, 1e-3), 0)


def scene(seed: int, *, size: tuple[int, int] = SIZE) -> tuple[np.ndarray, np.ndarray]:
    """Depth of a floor before a wall, float64 `(H, W)`, and their normals, `(3, H, W)`."""
    generator = np.random.default_rng(seed)
    planes = [
        (unit([0, -1, -0.2]), generator.uniform(1, 1.5)),
        (unit([generator.uniform(-0.4, 0.4), 0, -1]), generator.uniform(2, 4)),
    ]
    maps = np.stack([plane_depth(*plane, size=size) for plane in planes])
    nearest = np.where(maps > 0, maps, np.inf).argmin(axis=0)
    normals = np.stack([normal for normal, _ in planes])[nearest]
    return np.take_along_axis(maps, nearest[None], axis=0)[0], normals.transpose(2, 0, 1)


def write_depth(path: Path, depth: np.ndarray, scale: float = 1000) -> None:
    """Write metres as a PNG file of 16 bits, a thousand values a metre."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((depth * scale).round().astype(np.uint16)).save(path)


def write_normals(path: Path, normals: np.ndarray) -> None:
    """Write unit vectors `(3, H, W)` as an RGB PNG file of 8 bits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = ((normals.transpose(1, 2, 0) + 1) / 2 * 255).round().astype(np.uint8)
    Image.fromarray(values).save(path)


def write_picture(path: Path, seed: int, size: tuple[int, int] = SIZE) -> None:
    """Write an image of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(texture(*size, seed=seed)).save(path)


def write_depth_folder(root: Path, *, size: tuple[int, int] = SIZE) -> Path:
    """Write `root/images`, `root/depth` in millimetres, `root/normals` and `root/camera.txt`."""
    seed = 0
    for split, count in COUNTS.items():
        for number in range(count):
            depth, normals = scene(seed, size=size)
            write_picture(root / "images" / split / f"{number}.png", seed, size)
            write_depth(root / "depth" / split / f"{number}.png", depth)
            write_normals(root / "normals" / split / f"{number}.png", normals)
            seed += 1
    (root / "camera.txt").write_text(" ".join(map(str, CAMERA)))
    return root
