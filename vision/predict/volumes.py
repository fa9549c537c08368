"""Prediction of volumes: the class of each cell, on the grid of the source.

Letters: C modalities, K regions or classes; D, H, W cells along the axes of a file.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from vision.contracts.volumes import VolumeBatch, VolumePrediction
from vision.data.base.volume_samples import make_sample
from vision.data.formats.subjects import StoredSubject
from vision.data.loading.collate_volumes import collate_volumes
from vision.data.transforms.volumes import VolumeEvalTransform
from vision.documents.csv_writing import write_table
from vision.draw.volumes import draw_planes
from vision.ops.nifti import VolumeHeader, is_nifti, write_labels, write_values
from vision.predict.options import PredictOptions
from vision.predict.predictor import LoadedModel, Predictor, Seen, stored_transform
from vision.predict.results import Result, name_of, to_picture
from vision.predict.volume_sources import VolumeSources

if TYPE_CHECKING:
    from PIL.Image import Image

LABELS, PROBABILITIES = "labels", "probabilities"
SUFFIX = ".nii.gz"


@dataclass(kw_only=True, eq=False, repr=False)
class VolumeResult(Result):
    """The class of each cell of a volume, in the order of the axes of its file.

    Attributes:
        image: float32 `(C, D, H, W)`, the values of each modality.
        subject: Name of the subject.
        header: Of its first file: the grid of all arrays.
        mask: uint8 `(D, H, W)` class index; 0 is the background.
        regions: bool `(K, D, H, W)`, the cells of each region; None for a model of classes.
        region_names: Name of each region.
        probabilities: float16 `(K, D, H, W)` of each region or class; None unless asked for.
        label_values: Value in files of labels of each class.
    """

    subject: str
    header: VolumeHeader
    mask: Tensor
    regions: Tensor | None = None
    region_names: tuple[str, ...] = ()
    probabilities: Tensor | None = None
    label_values: tuple[int, ...]

    def masks(self) -> dict[str, np.ndarray]:
        """The cells of each region by name, or of each class but the background, bool."""
        if self.regions is not None:
            return dict(zip(self.region_names, self.regions.numpy(), strict=True))
        mask = self.mask.numpy()
        return {name_of(self.names, k): mask == k for k in range(1, len(self.label_values))}

    def volumes_ml(self) -> dict[str, float]:
        """Millilitres of each region by name, or of each class but the background."""
        cell_ml = float(np.prod(self.header.spacing)) / 1000
        return {name: int(mask.sum()) * cell_ml for name, mask in self.masks().items()}

    def plot(self, *, centre_mm: np.ndarray | None = None, modality: int = 0) -> "Image":
        """Draw three planes with the outlines of the classes, or of the regions.

        Args:
            centre_mm: The place `(3,)` in millimetres through which they go; None for the middle of
                the largest region.
            modality: The channel that is drawn.
        """
        shown, names = (self.mask, self.names)
        if self.regions is not None:
            shown, names = (self.regions, self.region_names)
        drawn = draw_planes(
            self.image[modality].numpy(),
            shown.numpy(),
            self.header.affine,
            names=names,
            centre_mm=centre_mm,
        )
        return to_picture(drawn)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the labels, or the output of `plot`, atomically; the folder is created if absent.

        Args:
            path: The file. `.nii` and `.nii.gz` have the values of labels of the dataset, with the
                affine and the header of the subject's first file; the suffix of a picture, such as
                `.png`, has the drawing.

        Returns:
            The path.

        Raises:
            ConfigError: The suffix belongs to neither.
            DataError: The file cannot be written.
            MissingPackageError: nibabel is not installed.
        """
        if not is_nifti(path):
            return super().save(path)
        values = np.array(self.label_values, dtype=np.int32)
        write_labels(path, values[self.mask.numpy()], self.header)
        return Path(path)

    def save_probabilities(self, folder: str | os.PathLike[str], stem: str) -> list[Path]:
        """Write the probability of each region or class as NIfTI, in single precision.

        Args:
            folder: Where; created if absent.
            stem: Beginning of the names, before `_REGION.nii.gz`.

        Returns:
            The files; none if probabilities were not asked for.
        """
        if self.probabilities is None:
            return []
        names = self.region_names or [name_of(self.names, k) for k in range(len(self.label_values))]
        files = []
        for name, values in zip(names, self.probabilities, strict=True):
            file = Path(folder) / f"{stem}_{name.replace('/', '_').replace(' ', '_')}{SUFFIX}"
            file.parent.mkdir(parents=True, exist_ok=True)
            write_values(file, values.float().numpy(), self.header)
            files.append(file)
        return files

    def to_dict(self, *, masks: bool = True) -> dict[str, Any]:
        """`path`, `index`, `size`, `subject`, `spacing` in mm, and `ml`: `volumes_ml`."""
        facts = {"subject": self.subject, "spacing": [*self.header.spacing]}
        return {**self._head(), **facts, "ml": self.volumes_ml()}

    def labels_found(self) -> list[str]:
        """The regions, or the classes, that have cells."""
        return [name for name, ml in self.volumes_ml().items() if ml > 0]

    def _summary(self) -> str:
        found = [f"{name} {ml:.2f} ml" for name, ml in self.volumes_ml().items() if ml > 0]
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        return (", ".join(found[:3]) or "only background") + more


class VolumePredictor(Predictor):
    """Predicts subjects one by one; the task's windows slide over each volume."""

    collate = staticmethod(collate_volumes)
    one_by_one = True
    table = "predictions.csv"
    beside = (LABELS,)
    untiled = "whose windows slide over whole volumes"
    instead_of_tiles = "The task's option inference.window is their size."
    takes_frames = False
    embeds = False
    gives_probabilities = True

    def __init__(self, model: LoadedModel) -> None:
        super().__init__(model)
        self.transform = stored_transform(model, VolumeEvalTransform)
        task: Any = model.task
        # As nnU-Net numbers the files of a subject.
        channels = [f"{k:04d}" for k in range(task.in_channels)]
        self.modalities = tuple(task.modalities or channels)
        self.label_values = tuple(task.label_values or range(task.num_classes))
        self.region_names = tuple(task.regions or ())
        self.sources = VolumeSources(self.modalities)

    def prepare(self, image: StoredSubject, path: str | None, index: int) -> dict[str, Any]:
        """The normalised volume in the orientation and spacing of the training."""
        header = image.header
        sample = make_sample(
            self.transform.change(image.volume),
            subject=image.name,
            path=header.path,
            shape=header.shape,
            affine=torch.from_numpy(header.affine).float(),
        )
        return {**sample}

    def result(
        self, seen: Seen, prediction: Mapping[str, Any], options: PredictOptions
    ) -> VolumeResult:
        """The class of each cell of a subject."""
        stored: StoredSubject = seen.image
        return VolumeResult(
            image=torch.from_numpy(stored.volume.values),
            path=seen.path,
            index=seen.index,
            names=self.names,
            subject=stored.name,
            header=stored.header,
            mask=prediction["mask"],
            regions=prediction.get("regions"),
            region_names=self.region_names,
            probabilities=prediction.get("probabilities"),
            label_values=self.label_values,
        )

    def run(
        self, samples: Sequence[Mapping[str, Any]], options: PredictOptions, task: Any = None
    ) -> list[Any]:
        """The task's predictions, with probabilities if they are asked for."""
        if options.probabilities and task is None:
            task = _WithProbabilities(self.model.task)
        return super().run(samples, options, task)

    def files_beside(self, options: PredictOptions) -> tuple[str, ...]:
        """The folders of labels, and of probabilities if they are asked for."""
        return (LABELS, PROBABILITIES) if options.probabilities else (LABELS,)

    def write(self, result: Result, folder: Path, name: str) -> dict[str, Any]:
        """Write the labels, and maybe the probabilities; the line names the file of labels."""
        assert isinstance(result, VolumeResult), "of the same kind"
        file = result.save(folder / LABELS / f"{name}{SUFFIX}")
        stem = folder / PROBABILITIES / name
        result.save_probabilities(stem.parent, stem.name)
        return {**result.to_dict(), "labels": file.relative_to(folder).as_posix()}

    def write_table(
        self,
        path: Path,
        lines: Iterable[Mapping[str, Any]],
        ids: Mapping[str, int],
        category_ids: Sequence[int],
    ) -> None:
        """Write a row per subject: its name, and the millilitres of each region or class."""
        names = self.region_names or self.names[1:]
        columns = ("image", *(f"{name}_ml" for name in names))
        rows = ((one["image"], *(one["ml"][name] for name in names)) for one in lines)
        write_table(path, columns, rows)


class _WithProbabilities:
    """A task whose predictions have probabilities."""

    def __init__(self, task: Any) -> None:
        self.on_after_batch_transfer = task.on_after_batch_transfer
        self._task = task

    def predict_step(self, batch: VolumeBatch, batch_idx: int) -> list[VolumePrediction]:
        return self._task.run(batch, probabilities=True)
