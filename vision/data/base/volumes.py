"""The base of the datamodules for the segmentation of volumes."""

import logging
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

from torch.utils.data import Dataset

from vision.contracts.volumes import Regions
from vision.data.base.classes import ClassData
from vision.data.base.images import ImageBatches, ImageLoading
from vision.data.base.splits import Split, SplitData
from vision.data.base.volume_samples import VolumeSamples
from vision.data.check.problems import collected_problems
from vision.data.check.volume_facts import VolumeFacts, read_some, unique_subjects
from vision.data.classes.volume_labels import VolumeLabels
from vision.data.files.noted_problems import NotedProblems
from vision.data.files.volume_cache import make_cache
from vision.data.formats.subject_index import index_subjects, shared_subjects
from vision.data.formats.subjects import SubjectFiles
from vision.data.index.volumes import VolumeIndex
from vision.data.loading.collate_volumes import collate_volumes
from vision.data.transforms.volumes import (
    VolumeEvalTransform,
    VolumeTrainTransform,
    VolumeTransform,
)
from vision.data.transforms.volumes_options import Intensity, VolumeAugment
from vision.errors import DataError
from vision.keywords import Unpack
from vision.options import MAX_COUNT, Range, Ranges, check_ranges
from vision.program import command
from vision.reading import user_path
from vision.wording import counted

logger = logging.getLogger(__name__)

__all__ = ["DEFAULT_AUGMENT", "OrientedVolumes", "VolumeData", "VolumeLoading", "VolumeOptions"]

DEFAULT_AUGMENT = VolumeAugment()
RANGES: Ranges = {
    "patches_per_volume": Range(minimum=1, maximum=MAX_COUNT),
    "cache_gb": Range(minimum=0, maximum=2**20, unit="gigabytes"),
}


class VolumeLoading(ImageBatches, total=False):
    """Keywords that datasets with their own orientation and values pass on to `VolumeData`."""

    augment: VolumeAugment
    spacing: tuple[float, float, float] | None
    foreground_crop: bool
    resample: bool
    patches_per_volume: int
    cache_gb: float
    cache_dir: str | None


class OrientedVolumes(VolumeLoading, total=False):
    """Keywords that datasets with their own way to normalise values pass on to `VolumeData`."""

    orientation: str


class VolumeOptions(OrientedVolumes, total=False):
    """Keywords that other datasets pass on to `VolumeData`."""

    intensity: str | dict[str, list[float]] | None


class VolumeData(ClassData, SplitData[VolumeIndex]):
    """A dataset of volumes, one per modality for each subject, with a class for each cell.

    A subclass lists the files of the subjects and names modalities and classes. When a split is
    first used, the headers of all of its files are read: files that are absent or whose grids
    differ are an error before the first step. A few volumes are read too, and what they hold is
    logged.

    Args:
        augment: Options of the training patches and of their augmentation.
        orientation: Directions in which the index grows along the axes of the model's input, such
            as "RAS" or "LPS".
        spacing: Distance between its cells along these axes in mm; None keeps that of the files.
        intensity: How values are normalised: "zscore_nonzero", "zscore", a window such as
            `{window: [-175, 250]}`, or null. See `VolumeTransform`.
        foreground_crop: Whether volumes are cut to the box of the cells above 0.
        resample: Whether modalities and labels of other grids are brought to that of a subject's
            first file. Without it they are an error.
        patches_per_volume: Training patches of each subject in an epoch.
        cache_gb: Gigabytes of prepared volumes to keep between epochs, for each of the training
            and the evaluation set; 0 keeps none. A subject of BraTS has 0.15.
        cache_dir: A folder to keep them in, for later runs too; None keeps them in memory, which
            forked workers share.
        batch_size: Volumes or patches per batch and device.
        **loading: Other keywords of `ImageData`.

    Raises:
        ConfigError: An option is out of its range.
    """

    kind = "volumes"
    unit = "volumes"
    sizes = "--data.augment.patch_size, --model.inference.window"
    collate = staticmethod(collate_volumes)

    def __init__(
        self,
        *,
        augment: VolumeAugment = DEFAULT_AUGMENT,
        orientation: str = "RAS",
        spacing: tuple[float, float, float] | None = None,
        intensity: str | dict[str, list[float]] | None = "zscore_nonzero",
        foreground_crop: bool = False,
        resample: bool = False,
        patches_per_volume: int = 1,
        cache_gb: float = 0.0,
        cache_dir: str | None = None,
        batch_size: int = 1,
        **loading: Unpack[ImageLoading],
    ) -> None:
        super().__init__(batch_size=batch_size, **loading)
        self.augment = augment
        self.resample = resample
        counts = {"patches_per_volume": patches_per_volume, "cache_gb": cache_gb}
        check_ranges(counts, RANGES)
        self.patches_per_volume = patches_per_volume
        self.cache_gb = cache_gb
        self.cache_dir = None if not cache_dir else user_path(cache_dir)
        self._preparation: dict[str, Any] = {
            "orientation": orientation,
            "spacing": spacing,
            "foreground_crop": foreground_crop,
        }
        self._intensity: Intensity = intensity
        VolumeEvalTransform(**self._preparation, intensity=intensity)  # a wrong option, at once
        self._noted = NotedProblems()

    @property
    @abstractmethod
    def modalities(self) -> tuple[str, ...]:
        """Name of each modality, in the order of the channels."""

    @property
    @abstractmethod
    def label_values(self) -> tuple[int, ...]:
        """Value of each class in label files."""

    @property
    def regions(self) -> Regions | None:
        """The regions that are learned, as indices of classes; None where classes are."""
        return None

    @property
    def intensity(self) -> Intensity:
        """How values are normalised."""
        return self._intensity

    @property
    def labels(self) -> VolumeLabels:
        """Names and values of the classes."""
        return VolumeLabels(names=self.class_names, values=self.label_values)

    @abstractmethod
    def find_subjects(self, split: Split) -> Sequence[SubjectFiles]:
        """The files of the subjects of a split.

        Raises:
            DataError: Files are absent or not in the expected layout.
        """

    def fold_table(self) -> dict[str, Any] | None:
        """The folds of the subjects as a list in the published form, which a run writes.

        Given back as the list of the dataset, it makes the same splits.

        Returns:
            `{"training": [{"fold": 0, "subject": NAME, "image": ..., "label": ...}, ...]}`; None if
            the splits are no folds.

        Raises:
            DataError: As for `find_subjects`.
        """
        return None

    @cached_property
    def train_transform(self) -> VolumeTrainTransform:
        """Makes the patches."""
        return VolumeTrainTransform(self.augment, **self._preparation, intensity=self.intensity)

    @cached_property
    def eval_transform(self) -> VolumeEvalTransform:
        """Prepares whole volumes."""
        return VolumeEvalTransform(**self._preparation, intensity=self.intensity)

    def read_index(self, split: Split) -> VolumeIndex:
        """Read the headers of the files of a split.

        Raises:
            DataError: A file is absent, broken, or does not fit the others of its subject.
        """
        subjects = self.find_subjects(split)
        index, problems = index_subjects(
            subjects,
            self.modalities,
            self.eval_transform,
            targets=split != "predict" and any(subject.mask for subject in subjects),
            resample=self.resample,
        )
        heading = f"the {split} split has {counted(len(problems), 'problems')}"
        name = type(self).__name__
        end = f"`{command('check-dataset')} {name}` lists them all. {self.expected}"
        self._noted.note(problems, heading, end)
        if not len(index):
            raise DataError(problems[0] if problems else f"the {split} split has no subjects.")
        return index

    def layout_problems(self) -> Iterator[str]:
        """Every absent or broken file, and other problems that stop `setup`."""
        yield from collected_problems(self, self._noted)

    def annotation_problems(self) -> Iterator[str]:
        """Subjects of two splits that were read."""
        yield from shared_subjects(self._indices)

    def make_samples(
        self, index: VolumeIndex, transform: VolumeTransform, *, targets: bool = True
    ) -> VolumeSamples:
        """The samples of a split, with or without masks.

        Raises:
            DataError: There are no labels.
        """
        return VolumeSamples(
            index,
            transform,
            modalities=self.modalities,
            labels=self.labels,
            targets=targets,
            resample=self.resample,
            patches=self.patches_per_volume if transform is self.train_transform else 1,
            cache=make_cache(len(index), gigabytes=self.cache_gb, folder=self.cache_dir),
        )

    def scan(self, split: Split) -> None:
        """Read a few volumes of a split, and log what they hold.

        Raises:
            DataError: They do not fit.
        """
        facts = VolumeFacts(self.labels, self.modalities)
        skip = self.bad_images.maximum > 0
        read_some(self.index(split), facts, split, resample=self.resample, skip=skip)

    def samples_to_check(self) -> Iterator[Dataset[Any]]:
        """The volumes and labels of every split that was read."""
        indices = {str(split): index for split, index in self._indices.items()}
        return unique_subjects(indices, self.labels, self.modalities, resample=self.resample)
