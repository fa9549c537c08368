"""The index of subjects, from the headers of their files, with all that is wrong with them."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from vision.data.files.finding import PathList
from vision.data.formats.subjects import SubjectFiles, read_subject_header
from vision.data.index.volumes import VolumeIndex
from vision.data.transforms.volumes import MAX_CELLS, VolumeTransform
from vision.errors import DataError
from vision.ops.nifti import VolumeHeader


def index_subjects(
    subjects: Sequence[SubjectFiles],
    modalities: Sequence[str],
    transform: VolumeTransform,
    *,
    targets: bool = True,
    resample: bool = False,
) -> tuple[VolumeIndex, list[str]]:
    """Read the headers of some subjects, and no voxels.

    Args:
        subjects: Their files, as many for each.
        modalities: Name of each modality.
        transform: Says how large they become.
        targets: Whether each has labels.
        resample: Whether the files of a subject may have grids of their own.

    Returns:
        The subjects that are fit to be read, and the problems of the others.
    """
    problems = [*_same_names(subjects)]
    fit: list[SubjectFiles] = []
    headers: list[VolumeHeader] = []
    for subject in subjects:
        own = subject if targets else subject._replace(mask=None)
        try:
            header = read_subject_header(own, modalities, resample=resample)
        except DataError as error:
            problems += str(error).splitlines()
            continue
        problem = _too_large(own, header, transform)
        if problem:
            problems.append(problem)
        else:
            fit.append(own)
            headers.append(header)
    masks = [subject.mask for subject in fit]
    index = VolumeIndex(
        subjects=PathList(subject.name for subject in fit),
        files=PathList(path for subject in fit for path in subject.files),
        masks=PathList(mask for mask in masks if mask is not None) if targets else None,
        shapes=np.array([header.shape for header in headers], np.int32).reshape(-1, 3),
        affines=np.array([header.affine for header in headers], np.float64).reshape(-1, 4, 4),
    )
    return index, problems


def _same_names(subjects: Sequence[SubjectFiles]) -> Iterator[str]:
    counts = Counter(subject.name for subject in subjects)
    for name, count in counts.items():
        if count > 1:
            first, second, *_ = (own.files[0] for own in subjects if own.name == name)
            yield (
                f"{count} subjects have the name '{name}', such as those of '{first}' and "
                f"'{second}': predictions would overwrite each other. Rename one."
            )


def shared_subjects(indices: Mapping[Any, VolumeIndex]) -> Iterator[str]:
    """A line for each subject with labels whose name is in two splits.

    Args:
        indices: The splits by name.
    """
    seen: dict[str, tuple[str, str]] = {}
    for split, index in indices.items():
        if not index.has_targets:
            continue
        for subject, path in zip(index.subjects, index.images, strict=True):
            first, other = seen.setdefault(subject, (split, path))
            if first != split:
                yield (
                    f"subject '{subject}' is in the splits {first} ('{other}') and {split} "
                    f"('{path}'): what is measured on it says nothing of other subjects. Keep each "
                    "in one split; other people need other names."
                )


def _too_large(
    subject: SubjectFiles, header: VolumeHeader, transform: VolumeTransform
) -> str | None:
    size = transform.size_of(header.shape, header.affine)
    cells = math.prod(size)
    if cells <= MAX_CELLS:
        return None
    steps = " x ".join(f"{step:g}" for step in header.spacing)
    wanted = " x ".join(f"{step:g}" for step in transform.spacing or header.spacing)
    return (
        f"subject '{subject.name}': '{header.path}' with a spacing of {steps} mm would have "
        f"{' x '.join(map(str, size))} = {cells:.3g} cells at {wanted} mm, more "
        f"than {MAX_CELLS:,}. Check its header, and data.spacing."
    )
