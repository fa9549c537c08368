"""A tiny good copy of every dataset of points, and several breaks of it."""

from pathlib import Path
from typing import Any

import numpy as np
from helpers.tiny_points import room, write_point_folder, write_s3dis, write_scannet

from vision.ops.ply import write_ply


def write_s3dis_options(root: Path) -> dict[str, Any]:
    return {"root": write_s3dis(root, areas=(1, 2, 2, 3, 3, 4, 4, 5, 5, 5))}


def damage_s3dis(root: Path) -> list[str]:
    def change(name: str, rows: np.ndarray) -> None:
        np.save(root / f"Area_{name}.npy", rows)

    change("1_office_0", room(0) * [1000, 1000, 1000, 1, 1, 1, 1])
    change("2_office_1", room(1) * [0.01, 0.01, 0.01, 1, 1, 1, 1])
    change("2_office_2", room(2) / [1, 1, 1, 255, 255, 255, 1])
    rows = room(3)
    rows[7, 1] = np.nan
    change("3_office_3", rows)
    change("3_office_4", room(4)[:, :5])
    rows = room(5)
    rows[9, 6] = 13
    change("4_office_5", rows)
    (root / "Area_4_office_6.npy").write_bytes(b"")
    change("5_office_7", np.zeros((0, 7)))
    rows = room(8)
    rows[11, 4] = 300
    change("5_office_8", rows)
    change("5_office_9", room(9, points=1_100_000) * [100, 100, 100, 1, 1, 1, 1])
    return [
        "Area_1_office_0.npy': the points extend over 1,",
        "Area_2_office_1.npy': the points extend over 0.0",
        "Area_2_office_2.npy': all colours are in 0 to 1",
        "Area_3_office_3.npy': 1 of 300 points have coordinates that are no finite numbers",
        "Area_3_office_4.npy' has an array of shape (300, 5)",
        "Area_4_office_5.npy': labels of 1 of 300 points are those of no class, first point 9",
        "Area_4_office_6.npy' is no npy file",
        "Area_5_office_7.npy' is empty",
        "Area_5_office_8.npy': colours of 1 of 300 points are not in 0 to 255, first point 11",
        "Area_5_office_9.npy': its 1,100,000 points",
    ]


def write_scannet_options(root: Path) -> dict[str, Any]:
    return {"root": write_scannet(root, scenes=5, val=1, test=1)}


def damage_scannet(root: Path) -> list[str]:
    def file(number: int, ending: str) -> Path:
        name = f"scene{number:04d}_00"
        return root / "scans" / name / f"{name}_vh_clean_2{ending}.ply"

    file(0, ".labels").unlink()
    rows = room(1)[:-1]
    write_ply(file(1, ".labels"), rows[:, :3], rows[:, 3:6].astype(np.uint8), rows[:, 6])
    file(2, "").write_bytes(file(2, "").read_bytes()[:-9])
    rows = room(3)
    write_ply(file(3, ".labels"), rows[:, :3], rows[:, 3:6].astype(np.uint8))
    (root / "scannetv2_val.txt").write_text("scene0005_00\nscene0005_0\n")
    return [
        "scene 'scene0000_00': there is no file",
        "scene0001_00_vh_clean_2.labels.ply': labels have the shape (299,)",
        "element 'face' of '" + str(file(2, "")) + "' needs",
        "scene0003_00_vh_clean_2.labels.ply' has no labels",
        "scene 'scene0005_0': there is no file",
    ]


def write_point_folder_options(root: Path) -> dict[str, Any]:
    return {"root": write_point_folder(root), "classes": ["a", "b", "c", "d"]}


def damage_point_folder(root: Path) -> list[str]:
    rows = room(0)
    write_ply(root / "train" / "0.ply", rows[:, :3], rows[:, 3:6].astype(np.uint8))
    rows = room(1)
    arrays = {"points": rows[:, :3], "colors": rows[:, 3:6].astype(np.uint8)}
    np.savez(root / "train" / "3.npz", **arrays, label=rows[:-2, 6])
    (root / "train" / "1.ply").write_bytes(b"a cloud")
    np.save(root / "val" / "0.npy", room(3)[:, :6])
    return [
        "train/0.ply' has no labels",
        "train/1.ply' does not begin with 'ply'",
        "train/3.npz': labels have the shape (298,)",
        "val/0.npy' has no labels",
    ]
