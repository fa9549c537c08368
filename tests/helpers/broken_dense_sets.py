"""A tiny good copy of every dataset of depth and normals, and several breaks of it."""

import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from helpers.cut_files import cut
from helpers.tiny_depth import scene, write_depth, write_depth_folder
from helpers.tiny_nyuv2 import DRIVES, write_extracted, write_kitti, write_labeled
from PIL import Image

from vision.data.formats.nyuv2 import LABELED


def write_depth_options(root: Path) -> dict[str, Any]:
    return {"root": write_depth_folder(root), "scale": 1000}


def damage_depth_folder(root: Path) -> list[str]:
    train, val = root / "depth" / "train", root / "depth" / "val"
    cut(train / "0.png")
    (train / "1.png").unlink()
    depth, _ = scene(2)
    write_depth(train / "2.png", depth[:, :-1])
    (train / "3.png").unlink()
    depth[3, 4] = -1.5
    np.save(train / "3.npy", 1000 * depth)
    (val / "0.png").unlink()
    Image.fromarray(np.full(depth.shape, 9, dtype=np.uint8)).save(val / "0.png")
    write_depth(val / "7.png", depth.clip(0))
    return [
        "train/0.png' cannot be read",
        "train/1.png' has no depth map",
        "train/2.png' is 24 x 31 pixels",
        "such as -1.5 in row 3, column 4",
        "val/0.png' is of 8 bits, 1 values",
        "val/7.png' has no image",
    ]


def write_normals_options(root: Path) -> dict[str, Any]:
    return {"root": write_depth_folder(root)}


def damage_normals_folder(root: Path) -> list[str]:
    train, val = root / "normals" / "train", root / "normals" / "val"
    cut(train / "0.png")
    (train / "1.png").rename(train / "one.png")
    _, normals = scene(2)
    np.save(val / "0.npy", (normals.transpose(1, 2, 0) + 1) / 2)
    (val / "0.png").unlink()
    (root / "images" / "val" / "1.png").write_bytes(b"")
    return [
        "train/0.png' cannot be read",
        "train/1.png' has no normal map",
        "train/one.png' has no image",
        "2 x value - 1 has length 1",
        "val/1.png' is empty",
    ]


def write_nyuv2_options(root: Path) -> dict[str, Any]:
    write_labeled(root)
    return {"root": root}


def damage_nyuv2(root: Path) -> list[str]:
    # A copy replaces the file, which may still be open.
    changed = root / "changed.mat"
    shutil.copy(root / LABELED, changed)
    with h5py.File(changed, "r+") as file:
        file["depths"][4, 7, 3] = np.nan
        file["depths"][0, 2, 9] = -2
    changed.replace(root / LABELED)
    return [
        f"{LABELED}/00005.png' has 1 depths that are negative, infinite or NaN, such as nan in row "
        "3, column 7",
        f"{LABELED}/00001.png' has 1 depths that are negative, infinite or NaN, such as -2.0",
    ]


def write_nyuv2_normals_options(root: Path) -> dict[str, Any]:
    write_extracted(root)
    return {"root": root}


def damage_nyuv2_normals(root: Path) -> list[str]:
    cut(root / "normals" / "train" / "00002.png")
    (root / "normals" / "test" / "00004.png").unlink()
    return ["train/00002.png' cannot be read", "test/00004.png' has no file of normals"]


def write_kitti_options(root: Path) -> dict[str, Any]:
    write_kitti(root)
    return {"root": root}


def damage_kitti(root: Path) -> list[str]:
    drive, _ = DRIVES["train"]
    images = root / drive[:10] / drive / "image_02" / "data"
    depths = root / "data_depth_annotated" / "train" / drive / "proj_depth/groundtruth/image_02"
    (images / "0000000006.png").unlink()
    cut(depths / "0000000007.png")
    other, _ = DRIVES["val"]
    write_depth(
        root / "data_depth_annotated" / "val" / other / "proj_depth/groundtruth/image_02"
        "/0000000005.png",
        scene(0)[0][:20],
        256,
    )
    return [
        "there is no file '" + str(images / "0000000006.png"),
        "image_02/0000000007.png' cannot be read",
        "0000000005.png' is 20 x 32 pixels",
    ]
