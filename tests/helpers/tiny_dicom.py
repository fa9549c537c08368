"""Tiny series of DICOM files, made by pydicom."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

# Columns, rows, slices, and the distances between them in mm.
SHAPE, SPACING = (6, 5, 4), (0.75, 0.5, 2.0)
SLOPE, INTERCEPT = 2.0, -1024.0
# Directions of columns, rows and slices, in DICOM's frame: oblique.
AXES = nibabel.eulerangles.euler2mat(0.3, 0.2, -0.1)
START = np.array([-12.0, 34.5, 100.25])


def stored_values() -> np.ndarray:
    """The values of a series, int16 `(columns, rows, slices)`."""
    return np.random.default_rng(0).integers(0, 2000, SHAPE).astype(np.int16)


def make_slice(place: int, pixels: np.ndarray, *, series: str, axes: np.ndarray = AXES) -> Dataset:
    """A slice of CT.

    Args:
        place: Its number along the third axis.
        pixels: int16 `(rows, columns)`.
        series: Identifier of its series.
        axes: `(3, 3)`, directions of columns, rows and slices.
    """
    one = Dataset()
    one.file_meta = FileMetaDataset()
    one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    one.SOPClassUID = one.file_meta.MediaStorageSOPClassUID = CTImageStorage
    one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    one.SeriesInstanceUID, one.SeriesDescription, one.Modality = series, "Axial 2.0", "CT"
    one.Rows, one.Columns = pixels.shape
    one.PixelSpacing = [SPACING[1], SPACING[0]]  # between rows first
    one.SliceThickness = 5.0  # is not the distance of slices
    one.InstanceNumber = 100 - place  # is not their order
    one.ImageOrientationPatient = np.round(axes[:, :2].T.ravel(), 12).tolist()
    one.ImagePositionPatient = np.round(START + place * SPACING[2] * axes[:, 2], 9).tolist()
    one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
    one.BitsAllocated = one.BitsStored = 16
    one.HighBit, one.PixelRepresentation = 15, 1
    one.RescaleSlope, one.RescaleIntercept = SLOPE, INTERCEPT
    one.PixelData = pixels.astype("<i2").tobytes()
    return one


def make_series(series: str = "1.2.3") -> list[Dataset]:
    values = stored_values()
    return [make_slice(k, values[:, :, k].T, series=series) for k in range(SHAPE[2])]


def write_slices(folder: Path, slices: Sequence[Dataset], names: Sequence[Any] = ()) -> Path:
    """Write slices under names whose order is not theirs."""
    folder.mkdir(parents=True, exist_ok=True)
    for one, name in zip(slices, names or ("7.dcm", "30.dcm", "1.dcm", "2.dcm"), strict=True):
        one.save_as(folder / str(name), enforce_file_format=True)
    return folder


def expected_affine() -> np.ndarray:
    """That of the series in the frame of NIfTI, `(4, 4)`."""
    affine = np.eye(4)
    affine[:3, :3] = AXES * np.array(SPACING)
    affine[:3, 3] = START
    return np.diag([-1.0, -1, 1, 1]) @ affine
