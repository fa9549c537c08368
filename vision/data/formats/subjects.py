"""The files of a subject with one volume per modality: found, checked against each other, read."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from vision.data.classes.volume_labels import VolumeLabels
from vision.data.transforms.volumes import Volume
from vision.errors import DataError, listed
from vision.ops.dicom import CONVERT, is_dicom, is_series, read_series_header, read_series_voxels
from vision.ops.nifti import (
    SUFFIXES,
    VolumeHeader,
    is_nifti,
    nifti_stem,
    read_header,
    read_labels,
    read_voxels,
)
from vision.ops.volume_grids import nearest_cells
from vision.ops.volume_resampling import to_original
from vision.wording import counted

# The largest difference between two affines of one grid, in mm.
SAME_MM = 1e-3
# Other names of modalities in file names.
OTHER_NAMES: Mapping[str, tuple[str, ...]] = {
    "flair": ("t2f",),
    "t1": ("t1n",),
    "t1ce": ("t1c", "t1gd"),
    "t2": ("t2w",),
}
# Endings of names of files of labels.
LABEL_NAMES = ("seg", "label", "labels", "mask")
RESAMPLE = (
    "Register and resample them; a dataset brings all to the grid of the first file with "
    "data.resample=true."
)


class SubjectFiles(NamedTuple):
    """The files of a subject.

    Attributes:
        name: Name of the subject.
        files: A file per modality, in their order, or one with a volume for each; a folder is a
            series of DICOM files.
        mask: The file of its labels; None if they are not known.
    """

    name: str
    files: tuple[str, ...]
    mask: str | None = None


class StoredSubject(NamedTuple):
    """A subject as its files have it.

    Attributes:
        name: Name of the subject.
        header: Of its first file; the shape has three axes.
        volume: Its values, in stored order of the axes, and maybe its mask.
    """

    name: str
    header: VolumeHeader
    volume: Volume


def find_subject(
    source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], modalities: Sequence[str]
) -> SubjectFiles:
    """Find the files of a subject.

    Args:
        source: A folder with a file for each modality, or with the slices of a series of DICOM
            files; a list of files; or one file with a volume for each. Files are put in order by
            the modalities in their names, such as `BraTS2021_00000_flair.nii.gz`; where the names
            have none, a list is taken in its order.
        modalities: Name of each modality, in the order of the channels.

    Returns:
        The files in the order of the modalities, without labels.

    Raises:
        DataError: Files are absent, or their names do not say what they are.
    """
    if not isinstance(source, str | os.PathLike):
        files = [os.fspath(path) for path in source]
        name = common_name(files)
        return SubjectFiles(name, _in_order(files, modalities, name, given=True))
    path = Path(source)
    if path.is_dir():
        found = sorted(entry.path for entry in os.scandir(path) if is_nifti(entry.name))
        files = [file for file in found if ending_of(file) not in LABEL_NAMES]
        name = path.resolve().name
        if not files and is_series(path):
            return SubjectFiles(name, (_of_one_modality(path, modalities),))
        if not files:
            raise DataError(
                f"'{path}' has no NIfTI file ({' or '.join(SUFFIXES)}); expected one for each of "
                f"{listed(modalities, maximum=8)}, or one of them all."
            )
        return SubjectFiles(name, _in_order(files, modalities, name, given=False))
    if not is_nifti(path) and is_dicom(path):
        raise DataError(
            f"'{path}' is a DICOM file, one slice of a series; give the folder that holds them all."
        )
    return SubjectFiles(nifti_stem(path), (os.fspath(path),))


def _of_one_modality(series: Path, modalities: Sequence[str]) -> str:
    """The folder of a series of DICOM files, if there is one modality."""
    if len(modalities) > 1:
        raise DataError(
            f"'{series}' holds a series of DICOM files, which is a single volume; expected one for "
            f"each of {listed(modalities, maximum=8)}. Convert each series to a NIfTI file of "
            f"these names, such as by `{CONVERT}`."
        )
    return os.fspath(series)


def _in_order(
    files: Sequence[str], modalities: Sequence[str], name: str, *, given: bool
) -> tuple[str, ...]:
    """Files in the order of the modalities that their names have.

    Args:
        files: The files.
        modalities: The modalities.
        name: Name of the subject.
        given: Whether the order of the files is meant.
    """
    if len(files) == 1:
        return (files[0],)
    found: dict[str, list[str]] = {modality: [] for modality in modalities}
    for file in files:
        for modality in modalities:
            if ending_of(file) in names_of(modality):
                found[modality].append(file)
    if given and not any(found.values()) and len(files) == len(modalities):
        return tuple(files)
    absent = [modality for modality, several in found.items() if not several]
    if absent:
        known = {file for several in found.values() for file in several}
        others = [os.path.basename(file) for file in files if file not in known]
        beside = f" The names {listed(others)} have no modality." if others else ""
        raise DataError(
            f"subject '{name}' has no file of {listed(map(repr, absent))}; expected one for each "
            f"of {listed(modalities, maximum=8)}, by the end of its name, such as "
            f"'_{absent[0]}{SUFFIXES[0]}'.{beside}"
        )
    twice = next((several for several in found.values() if len(several) > 1), None)
    if twice:
        names = listed(map(os.path.basename, twice))
        raise DataError(f"subject '{name}' has several files of one modality: {names}.")
    return tuple(several[0] for several in found.values())


def names_of(modality: str) -> tuple[str, ...]:
    """How names of files may end for a modality, in lower case."""
    lower = modality.lower()
    return (lower, *OTHER_NAMES.get(lower, ()))


def ending_of(file: str) -> str:
    """The last word of the name of a file, in lower case; nnU-Net's `_0000` is one."""
    return re.split(r"[-_. ]", nifti_stem(file).lower())[-1]


def common_name(files: Sequence[str]) -> str:
    """The words that the names of some files all begin with, or else the name of the first."""
    stems = [nifti_stem(file) for file in files]
    words = [re.split(r"(?=[-_. ])", stem) for stem in stems]
    common = []
    for several in zip(*words, strict=False):
        if len({*several}) > 1:
            break
        common.append(several[0])
    return "".join(common) or stems[0]


def read_subject_header(
    subject: SubjectFiles, modalities: Sequence[str], *, resample: bool = False
) -> VolumeHeader:
    """Read the headers of a subject's files, and check that they fit each other.

    Args:
        subject: The files.
        modalities: Name of each modality.
        resample: Whether files may have grids of their own.

    Returns:
        That of the first file, with a shape of three axes.

    Raises:
        DataError: A file is absent, broken or of another number of volumes, or two grids differ;
            the message has every problem of the subject.
    """
    problems: list[str] = []
    headers: dict[str, VolumeHeader] = {}
    single = len(subject.files) == 1
    for path in (*subject.files, *([subject.mask] if subject.mask else [])):
        several = modalities if single and path != subject.mask else ()
        try:
            headers[path] = _of_volumes(_read_header(path), several)
        except DataError as error:
            problems.append(str(error))
    if subject.files[0] in headers and not resample:
        first = headers[subject.files[0]]
        others = [other for other in headers.values() if other is not first]
        problems += [problem for other in others if (problem := grid_problem(first, other))]
    if problems:
        raise DataError("\n".join(f"subject '{subject.name}': {problem}" for problem in problems))
    return headers[subject.files[0]]


def _read_header(path: str) -> VolumeHeader:
    return read_series_header(path) if os.path.isdir(path) else read_header(path)


def _read_voxels(path: str) -> np.ndarray:
    return read_series_voxels(path) if os.path.isdir(path) else read_voxels(path)


def _of_volumes(header: VolumeHeader, modalities: Sequence[str] = ()) -> VolumeHeader:
    """The header of one volume of a file, which has one for each of some modalities, or a single.

    Raises:
        DataError: It has another number of volumes.
    """
    found = header.shape[3] if len(header.shape) == 4 else 1
    if found != max(1, len(modalities)):
        wanted = "a single volume (3 axes)"
        if len(modalities) > 1:
            names = listed(modalities, maximum=8)
            wanted = f"{len(modalities)} volumes (4 axes), one for each of {names}"
        raise DataError(
            f"'{header.path}' has the shape {header.shape}, {counted(found, 'volumes')}; expected "
            f"{wanted}."
        )
    return VolumeHeader(
        header.path, header.shape[:3], header.affine, header.spacing, header.orientation
    )


def grid_problem(first: VolumeHeader, other: VolumeHeader) -> str | None:
    """How the grids of two files of a subject differ, in words; None if they are the same."""
    if first.shape != other.shape:
        return (
            f"'{other.path}' has {_cells(other.shape)} cells, but '{first.path}' "
            f"{_cells(first.shape)}. {RESAMPLE}"
        )
    off = np.abs(first.affine - other.affine)
    if off.max() <= SAME_MM:
        return None
    row, column = np.unravel_index(int(off.argmax()), off.shape)
    return (
        f"the affine of '{other.path}' differs from that of '{first.path}' by {off.max():.4g} "
        f"(row {row}, column {column}: {other.affine[row, column]:.6g} instead of "
        f"{first.affine[row, column]:.6g}), more than {SAME_MM:g}. {RESAMPLE}"
    )


def _cells(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def read_subject(
    subject: SubjectFiles,
    modalities: Sequence[str],
    labels: VolumeLabels | None = None,
    *,
    resample: bool = False,
) -> StoredSubject:
    """Read the volumes of a subject, and its labels.

    Args:
        subject: The files.
        modalities: Name of each modality, in the order of the channels.
        labels: The classes; None leaves labels unread.
        resample: Whether files of other grids are brought to that of the first: values by linear
            interpolation, labels from the nearest cell.

    Raises:
        DataError: A file is absent, broken or does not fit the others, or a label is unknown; the
            message names the subject and the file.
    """
    header = read_subject_header(subject, modalities, resample=resample)
    try:
        values = _values(subject, header, resample=resample)
        mask = None
        if labels is not None and subject.mask is not None:
            mask = _mask(subject.mask, header, labels, resample=resample)
    except DataError as error:
        raise DataError(f"subject '{subject.name}': {error}") from error
    return StoredSubject(subject.name, header, Volume(values, header.affine, mask))


def _values(subject: SubjectFiles, header: VolumeHeader, *, resample: bool) -> np.ndarray:
    """The values of all modalities, float32 `(C, D, H, W)`, on the first grid."""
    if len(subject.files) == 1:
        voxels = _read_voxels(subject.files[0])
        if voxels.ndim == 3:
            return voxels[None]
        return np.ascontiguousarray(np.moveaxis(voxels, 3, 0))
    values = np.empty((len(subject.files), *header.shape), dtype=np.float32)
    for channel, path in zip(values, subject.files, strict=True):
        voxels = _read_voxels(path)
        voxels = voxels.reshape(voxels.shape[:3])  # a fourth axis of one volume
        own = _read_header(path) if resample else header
        if own is not header and grid_problem(header, _of_volumes(own)):
            moved = to_original(
                torch.from_numpy(voxels)[None],
                torch.from_numpy(own.affine),
                torch.from_numpy(header.affine),
                header.shape,
            )
            voxels = moved[0].numpy()
        channel[:] = voxels
    return values


def _mask(path: str, header: VolumeHeader, labels: VolumeLabels, *, resample: bool) -> np.ndarray:
    """The class index of each cell, uint8 `(D, H, W)`, on the first grid."""
    stored = read_labels(path)
    mask = labels.apply(stored.reshape(stored.shape[:3]), path)
    if resample:
        own = read_header(path)
        if grid_problem(header, _of_volumes(own)):
            return nearest_cells(mask, own.affine, header.affine, header.shape)
    return mask
