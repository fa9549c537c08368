"""A tiny good copy of every dataset of volumes, and several breaks of it."""

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from helpers.cut_files import cut
from helpers.tiny_volumes import LPS, write_brats, write_nifti


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
