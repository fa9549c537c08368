"""Tiny volumes in NIfTI files, in the layouts of datasets."""

import json
from collections.abc import Sequence
from pathlib import Path

import nibabel
import numpy as np

SHAPE = (20, 24, 18)
# LPS, as the files of BraTS: the index grows to the left and to the posterior.
LPS = np.array([[-1.0, 0, 0, 10], [0, -1, 0, 239], [0, 0, 1, 0], [0, 0, 0, 1]])
MODALITIES = ("flair", "t1ce", "t1", "t2")
NAMES_2023 = dict(zip((*MODALITIES, "seg"), ("t2f", "t1c", "t1n", "t2w", "seg"), strict=True))


def write_nifti(path: Path, values: np.ndarray, affine: np.ndarray = LPS) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values, affine), path)
    return path


def tumour(seed: int, shape: tuple[int, int, int] = SHAPE) -> tuple[np.ndarray, np.ndarray]:
    """Four modalities, int16 `(4, D, H, W)`, 0 outside of a head, and a mask of 0 to 3."""
    rng = np.random.default_rng(seed)
    places = np.stack(np.indices(shape), axis=-1)
    middle = np.array(shape) / 2 + rng.uniform(-1, 1, 3)
    away = np.linalg.norm((places - middle) / np.array(shape), axis=-1)
    head = away < 0.42
    mask = np.zeros(shape, np.uint8)
    mask[away < 0.25] = 2
    mask[away < 0.18] = 1
    mask[(away < 0.18) & (away > 0.11)] = 3
    bright = np.array([[300, 320, 700, 600], [300, 200, 330, 900], [400, 250, 300, 410]])
    bright = np.concatenate([bright, [[250, 500, 520, 430]]])
    values = bright[:, mask] + rng.normal(0, 20, (4, *shape))
    return np.where(head, values.clip(1), 0).astype(np.int16), mask


def write_brats(
    root: Path, *, subjects: int = 5, year: int = 2021, shape: tuple[int, int, int] = SHAPE
) -> Path:
    """Subjects in the layout of BraTS."""
    for number in range(subjects):
        values, mask = tumour(number, shape)
        if year == 2021:
            name, mark, names = f"BraTS2021_{number:05}", "_", {}
            mask = np.where(mask == 3, 4, mask).astype(np.uint8)
        else:
            name, mark, names = f"BraTS-GLI-{number:05}-000", "-", NAMES_2023
        for modality, channel in zip(MODALITIES, values, strict=True):
            ending = names.get(modality, modality)
            write_nifti(root / name / f"{name}{mark}{ending}.nii.gz", channel)
        write_nifti(root / name / f"{name}{mark}seg.nii.gz", mask)
    return root


def write_decathlon(
    root: Path, *, subjects: int = 5, modalities: Sequence[str] = ("FLAIR", "T1w", "t1gd", "T2w")
) -> Path:
    """A task of the Medical Segmentation Decathlon: volumes of four axes, or of three of one."""
    rows = []
    for number in range(subjects):
        values, mask = tumour(number)
        values = values[: len(modalities)]
        if modalities == ("CT",):
            values = values - 100
        channels = np.moveaxis(values, 0, 3) if len(modalities) > 1 else values[0]
        name = f"TASK_{number:03}.nii.gz"
        write_nifti(root / "imagesTr" / name, channels)
        write_nifti(root / "labelsTr" / name, mask)
        rows.append({"image": f"./imagesTr/{name}", "label": f"./labelsTr/{name}"})
    write_nifti(root / "imagesTs" / "TASK_900.nii.gz", channels)
    (root / "dataset.json").write_text(
        json.dumps(
            {
                "name": "tiny",
                "modality": {str(place): name for place, name in enumerate(modalities)},
                "labels": {"0": "background", "1": "necrotic", "2": "edema", "3": "enhancing"},
                "numTraining": subjects,
                "training": rows,
                "test": ["./imagesTs/TASK_900.nii.gz"],
            }
        )
    )
    return root


def write_volume_list(root: Path, *, subjects: int = 3) -> Path:
    """Volumes of one modality, and a CSV file that lists them with their splits."""
    lines = ["subject,image,label,split"]
    for number in range(subjects):
        values, mask = tumour(number)
        write_nifti(root / "scans" / f"{number}.nii.gz", values[0])
        write_nifti(root / "labels" / f"{number}.nii.gz", mask)
        split = "val" if number == subjects - 1 else "train"
        lines.append(f"s{number},scans/{number}.nii.gz,labels/{number}.nii.gz,{split}")
    (root / "volumes.csv").write_text("\n".join(lines) + "\n")
    return root
