"""Samples of a dataset of volumes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from vision.contracts.volumes import VolumeSample
from vision.data.base.splits import require_targets
from vision.data.classes.volume_labels import VolumeLabels
from vision.data.files.volume_cache import VolumeCache, key_of
from vision.data.formats.subjects import StoredSubject, SubjectFiles, read_subject
from vision.data.index.volumes import VolumeIndex
from vision.data.transforms.volumes import Volume, VolumeTransform, to_tensor
from vision.errors import DataError, ImageError


class VolumeSamples(Dataset[VolumeSample]):
    """Volumes with the class of each cell.

    Args:
        index: The subjects.
        transform: Changes a volume and its mask.
        modalities: Name of each modality, in the order of the channels.
        labels: The classes.
        targets: Whether samples have a `mask`.
        resample: Whether files of other grids are brought to that of the first of a subject.
        patches: Samples of each subject, one after the other for all subjects.
        cache: Keeps prepared volumes; None prepares them for each sample.

    Attributes:
        paths: First file of each subject.

    Raises:
        DataError: `targets` is true, but the split has no labels.
    """

    def __init__(
        self,
        index: VolumeIndex,
        transform: VolumeTransform,
        *,
        modalities: Sequence[str],
        labels: VolumeLabels,
        targets: bool = True,
        resample: bool = False,
        patches: int = 1,
        cache: VolumeCache | None = None,
    ) -> None:
        if targets:
            require_targets(index, "labels")
        self.index = index
        self.paths = index.images
        self.transform = transform
        self.modalities = tuple(modalities)
        self.labels = labels if targets else None
        self.resample = resample
        self.patches = patches
        self.cache = cache

    def __getitem__(self, number: int) -> VolumeSample:
        """A sample; the first `len(index)` are those of the subjects in the order of the index.

        Raises:
            ImageError: A file is absent, broken, or does not fit the others.
        """
        place = number % len(self.index)
        return make_sample(
            self.transform.finish(self._prepared(place)),
            subject=self.index.subjects[place],
            path=self.paths[place],
            shape=self.index.shapes[place].tolist(),
            affine=torch.tensor(self.index.affines[place], dtype=torch.float32),
        )

    def example(self, place: int) -> dict[str, Any]:
        """A volume as it is stored, with its mask, for pictures.

        Returns:
            `volume` float32 `(C, D, H, W)`, `affine` float64 `(4, 4)`, and maybe `mask` uint8
            `(D, H, W)`.

        Raises:
            ImageError: A file is absent, broken, or does not fit the others.
        """
        volume = self._stored(place).volume
        found: dict[str, Any] = {
            "volume": to_tensor(volume.values),
            "affine": torch.from_numpy(volume.affine),
        }
        return found if volume.mask is None else found | {"mask": to_tensor(volume.mask)}

    def __len__(self) -> int:
        return self.patches * len(self.index)

    def _files(self, place: int) -> SubjectFiles:
        mask = None if self.labels is None or self.index.masks is None else self.index.masks[place]
        return SubjectFiles(self.index.subjects[place], self.index.files_of(place), mask)

    def _stored(self, place: int) -> StoredSubject:
        files = self._files(place)
        try:
            return read_subject(files, self.modalities, self.labels, resample=self.resample)
        except DataError as error:
            raise ImageError(str(error)) from error

    def _prepared(self, place: int) -> Volume:
        if self.cache is None:
            return self.transform.prepare(self._stored(place).volume)
        files = self._files(place)
        try:
            key = key_of([*files.files, *([files.mask] if files.mask else [])], self._about)
        except DataError as error:
            raise ImageError(f"subject '{files.name}': {error}") from error
        found = self.cache.get(place, key, lambda: self._arrays(place))
        return Volume(found["values"], found["affine"], found.get("mask"))

    def _arrays(self, place: int) -> dict[str, np.ndarray]:
        volume = self.transform.prepare(self._stored(place).volume)
        arrays = {"values": volume.values, "affine": volume.affine}
        return arrays if volume.mask is None else arrays | {"mask": volume.mask}

    @property
    def _about(self) -> dict[str, Any]:
        """All that a prepared volume depends on beside its files."""
        return {
            **self.transform.prepared_by,
            "modalities": self.modalities,
            "labels": None if self.labels is None else self.labels.values,
            "resample": self.resample,
        }


def make_sample(
    volume: Volume,
    *,
    subject: str,
    path: str,
    shape: Sequence[int],
    affine: torch.Tensor,
) -> VolumeSample:
    """The sample of a volume that a transform has changed.

    Args:
        volume: The volume, and maybe its mask.
        subject: Name of the subject.
        path: Its first file.
        shape: Cells of that file along the axes as they are stored.
        affine: float32 `(4, 4)`, of these cells.
    """
    sample: VolumeSample = {
        "volume": to_tensor(volume.values),
        "affine": torch.tensor(volume.affine, dtype=torch.float32),
        "original_size": torch.tensor(shape),
        "original_affine": affine,
        "subject": subject,
        "path": path,
    }
    if volume.mask is not None:
        sample["mask"] = to_tensor(volume.mask)
    return sample
