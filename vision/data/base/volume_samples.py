"""Samples of a dataset of volumes."""

from collections.abc import Sequence
from typing import Any

import torch
from torch.utils.data import Dataset

from vision.contracts.volumes import VolumeSample
from vision.data.base.splits import require_targets
from vision.data.classes.volume_labels import VolumeLabels
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
    ) -> None:
        if targets:
            require_targets(index, "labels")
        self.index = index
        self.paths = index.images
        self.transform = transform
        self.modalities = tuple(modalities)
        self.labels = labels if targets else None
        self.resample = resample

    def __getitem__(self, place: int) -> VolumeSample:
        """The sample of a subject, by its number in the index.

        Raises:
            ImageError: A file is absent, broken, or does not fit the others.
        """
        return make_sample(
            self.transform.finish(self._prepared(place)),
            subject=self.index.subjects[place],
            path=self.paths[place],
            shape=self.index.shapes[place].tolist(),
            affine=torch.from_numpy(self.index.affines[place]).float(),
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
        return len(self.index)

    def _prepared(self, place: int) -> Volume:
        return self.transform.prepare(self._stored(place).volume)

    def _stored(self, place: int) -> StoredSubject:
        masks = self.index.masks
        files = SubjectFiles(
            self.index.subjects[place],
            self.index.files_of(place),
            None if masks is None else masks[place],
        )
        try:
            return read_subject(files, self.modalities, self.labels, resample=self.resample)
        except DataError as error:
            raise ImageError(str(error)) from error


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
        "affine": torch.from_numpy(volume.affine).float(),
        "original_size": torch.tensor(shape),
        "original_affine": affine,
        "subject": subject,
        "path": path,
    }
    if volume.mask is not None:
        sample["mask"] = to_tensor(volume.mask)
    return sample
