"""A tiny good copy of every dataset of volumes, and several breaks of it."""

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from helpers.cut_files import cut
from helpers.tiny_volumes import (
    LPS,
    write_brats,
    write_decathlon,
    write_nifti,
    write_volume_list,
)


def write_brats_options(root: Path) -> dict[str, Any]:
    return {"root": write_brats(root)}


def damage_brats(root: Path) -> list[str]:
    def file(number: int, ending: str) -> Path:
        name = f"BraTS2021_{number:05}"
        return root / name / f"{name}_{ending}.nii.gz"

    file(0, "t2").unlink()
    cut(file(1, "flair"))
    moved = LPS.copy()
    moved[0, 3] += 1
    write_nifti(file(2, "seg"), np.asarray(nibabel.load(file(2, "seg")).dataobj), moved)
    mask = np.asarray(nibabel.load(file(3, "seg")).dataobj).copy()
    mask[0, 0, 0] = 3
    write_nifti(file(3, "seg"), mask)
    return [
        "subject 'BraTS2021_00000': there is no NIfTI file",
        "BraTS2021_00001_flair.nii.gz' is not a whole gzip file",
        "BraTS2021_00002_seg.nii.gz' differs from that of",
        "BraTS2021_00003_seg.nii.gz' has values that no class has: 3 in 1 cells",
    ]


def write_decathlon_options(root: Path) -> dict[str, Any]:
    return {"root": write_decathlon(root)}


def damage_decathlon(root: Path) -> list[str]:
    images, labels = root / "imagesTr", root / "labelsTr"
    (labels / "TASK_000.nii.gz").unlink()
    cut(images / "TASK_001.nii.gz")
    values = np.asarray(nibabel.load(images / "TASK_002.nii.gz").dataobj)
    write_nifti(images / "TASK_002.nii.gz", values[..., :3])
    write_nifti(labels / "TASK_003.nii.gz", values[..., 0] * np.float32(0.1))
    return [
        "subject 'TASK_000': there is no NIfTI file",
        "TASK_001.nii.gz' is not a whole gzip file",
        "TASK_002.nii.gz' has the shape (20, 24, 18, 3), 3 volumes; expected 4 volumes",
        "cells have a value that is no label, such as",
    ]


def write_volume_folder_options(root: Path) -> dict[str, Any]:
    names = ["background", "necrosis", "oedema", "enhancing"]
    return {"root": write_volume_list(root), "classes": names}


def damage_volume_folder(root: Path) -> list[str]:
    scans = root / "scans"
    values = np.asarray(nibabel.load(scans / "0.nii.gz").dataobj).astype(np.float32)
    values[3, 4, 5] = np.inf
    write_nifti(scans / "0.nii.gz", values)
    flat = np.asarray(nibabel.load(scans / "1.nii.gz").dataobj)
    affine = LPS.copy()
    affine[:3, 2] = affine[:3, 1]
    write_nifti(scans / "1.nii.gz", flat, affine)
    (scans / "2.nii.gz").write_bytes(b"a scan")
    return [
        "subject 's0': '" + str(scans / "0.nii.gz") + "': 1 of 8,640 cells are no finite numbers",
        "1.nii.gz' has an affine whose axes",
        "2.nii.gz' does not begin as a NIfTI file",
    ]
