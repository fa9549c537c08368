"""Tiny rooms of points in the layouts of datasets."""

from pathlib import Path

import numpy as np

from vision.ops.ply import write_ply

COLORS = np.array([[200, 60, 40], [40, 180, 60], [60, 80, 200], [220, 220, 90]], np.uint8)


def room(seed: int, *, points: int = 300, classes: int = 4) -> np.ndarray:
    """Rows x y z red green blue label of a room of 2 x 1.5 x 1 metres, a band for each class."""
    rng = np.random.default_rng(seed)
    places = rng.uniform(0, 1, (points, 3)) * [2.0, 1.5, 1.0]
    label = (places[:, 0] / 2 * classes).astype(np.int64)
    colors = COLORS[label % len(COLORS)] + rng.integers(-9, 10, (points, 3))
    return np.concatenate([places, colors.clip(2, 255), label[:, None]], axis=1)


def write_s3dis(root: Path, *, areas: tuple[int, ...] = (1, 1, 3, 5), points: int = 300) -> Path:
    """A file for each room, as they are prepared for training."""
    root.mkdir(parents=True, exist_ok=True)
    for number, area in enumerate(areas):
        np.save(root / f"Area_{area}_office_{number}.npy", room(number, points=points))
    return root


def write_mesh(path: Path, points: np.ndarray, colors: np.ndarray) -> Path:
    """A PLY file whose points are the corners of triangles, one after the other."""
    data = write_ply(path, points, colors).read_bytes()
    faces = np.empty(len(points) // 3, [("count", "u1"), ("corners", "<i4", 3)])
    faces["count"], faces["corners"] = 3, np.arange(3 * len(faces)).reshape(-1, 3)
    lines = f"element face {len(faces)}\nproperty list uchar int vertex_indices\nend_header\n"
    path.write_bytes(data.replace(b"end_header\n", lines.encode(), 1) + faces.tobytes())
    return path


def write_scannet(root: Path, *, scenes: int = 3, val: int = 1, test: int = 0) -> Path:
    """Scenes in the official folders, with the labels of NYU's classes."""
    names = [f"scene{number:04d}_00" for number in range(scenes + val + test)]
    for number, name in enumerate(names):
        rows = room(number)
        labelled = number < scenes + val
        folder = root / ("scans" if labelled else "scans_test") / name
        values = np.array([1, 2, 39, 0])[rows[:, 6].astype(int)]  # the last one is of no class
        colors = rows[:, 3:6].astype(np.uint8)
        write_mesh(folder / f"{name}_vh_clean_2.ply", rows[:, :3], colors)
        if labelled:
            write_ply(folder / f"{name}_vh_clean_2.labels.ply", rows[:, :3], colors, values)
    (root / "scannetv2_train.txt").write_text("\n".join(names[:scenes]))
    (root / "scannetv2_val.txt").write_text("\n".join(names[scenes : scenes + val]) + "\n")
    return root


def write_point_folder(root: Path, *, train: int = 3, val: int = 2) -> Path:
    """PLY files with labels to train on, npy files to validate on."""
    for number in range(train):
        rows = room(number)
        colors, label = rows[:, 3:6].astype(np.uint8), rows[:, 6].astype(int)
        write_ply(root / "train" / f"{number}.ply", rows[:, :3], colors, label)
    (root / "val").mkdir(parents=True)
    for number in range(val):
        np.save(root / "val" / f"{number}.npy", room(train + number))
    return root
