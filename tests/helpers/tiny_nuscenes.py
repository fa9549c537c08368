"""A tiny dataset in exactly the layout of nuScenes, good and damaged."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from helpers.cut_files import cut
from helpers.nuscenes import HEIGHT, WIDTH, Tables
from helpers.pictures import texture
from PIL import Image

VERSION = "v1.0-mini"
OPTIONS = {"version": VERSION, "image_size": [64, 96]}
CAR_SIZE = [2.0, 4.0, 1.6]
# The sensors are 1 m before and 0.1 m beside the vehicle's origin, and 1.5 m above it.
CAR, RIDER, BEHIND = [11.0, 0.1, 1.0], [7.0, 1.5, 1.0], [-9.0, 0.0, 1.0]
HALF = 500_000


def tiny_drive(scenes: int = 3) -> Tables:
    """In each scene two key frames of a vehicle that stands at (500, 100) and looks along y.

    A car drives away before it with 4 m/s, a motorcycle is to the left, a truck behind; a stroller
    and a car without points are there too.
    """
    tables = Tables()
    for number in range(scenes):
        scene = tables.scene(f"scene-{number:04d}")
        things = [
            ("vehicle.car", CAR, CAR_SIZE, (9, 0)),
            ("vehicle.motorcycle", RIDER, [0.8, 2.0, 1.4], (3, 0)),
            ("vehicle.truck", BEHIND, [2.5, 8.0, 3.0], (9, 1)),
            ("human.pedestrian.stroller", [9.0, -2.0, 0.7], [0.6, 0.9, 1.0], (2, 0)),
            ("vehicle.car", [14.0, 4.0, 1.0], CAR_SIZE, (0, 0)),
        ]
        objects = [(tables.instance(name), *more) for name, *more in things]
        for step in range(2):
            time = 10_000_000 * number + HALF * step
            frame = tables.sample(scene, time, [500.0, 100.0, 0.0], math.pi / 2)
            for place, (instance, (x, y, z), size, points) in enumerate(objects):
                ahead = x + (2.0 * step if place == 0 else 0.0)
                there = [500.0 - y, 100.0 + ahead, z]
                tables.annotation(frame, instance, there, size, math.pi / 2, points=points)
    return tables


def write_nuscenes(root: Path, *, train: int = 2, val: int = 1) -> Path:
    """Write tables, images, points and lists of scenes; returns the root."""
    tables = tiny_drive(train + val)
    tables.write(root / VERSION)
    for number, record in enumerate(tables.records["sample_data"]):
        path = root / record["filename"]
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".jpg":
            Image.fromarray(texture(HEIGHT, WIDTH, seed=number)).save(path)
        elif path.suffix == ".bin":
            path.write_bytes(np.arange(20, dtype="<f4").tobytes())
    names = [record["name"] for record in tables.records["scene"]]
    (root / "splits").mkdir()
    for split, members in (("train", names[:train]), ("val", names[train:])):
        (root / "splits" / f"{split}.txt").write_text("".join(f"{name}\n" for name in members))
    return root


def write_nuscenes_options(root: Path) -> dict[str, Any]:
    write_nuscenes(root)
    return {"root": root, **OPTIONS}


def damage_nuscenes(root: Path) -> list[str]:
    images = sorted((root / "samples" / "CAM_FRONT").iterdir())
    images[0].unlink()
    cut(images[1])
    (root / "splits" / "val.txt").unlink()
    return [str(images[0]), str(images[1]), "there is no list of scenes"]
