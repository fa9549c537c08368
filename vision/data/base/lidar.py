"""The base of the datamodules for sweeps of a lidar with boxes in space."""

import logging
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

from torch.utils.data import Dataset

from vision.data.base.images import ImageBatches, ImageLoading
from vision.data.base.lidar_samples import LidarSamples
from vision.data.base.splits import Split, SplitData
from vision.data.base.trained_classes import TrainedClassData
from vision.data.check.boxes3d_facts import check_objects, describe_objects, summarise_scenes
from vision.data.check.lidar_facts import CheckedSweeps, read_some
from vision.data.check.problems import SplitSummary
from vision.data.check.unique_parts import unique_parts
from vision.data.formats.object_database import read_database
from vision.data.index.lidar import LidarIndex
from vision.data.loading.collate_lidar import collate_lidar
from vision.data.transforms.lidar import LidarEvalTransform, LidarTrainTransform, LidarTransform
from vision.data.transforms.lidar_options import LidarAugment, ObjectPasting
from vision.data.transforms.object_pasting import ObjectPaster
from vision.keywords import Unpack
from vision.options import Range, check_ranges
from vision.reading import user_path
from vision.wording import counted

logger = logging.getLogger(__name__)

DEFAULT_AUGMENT = LidarAugment()
NOTHING_PASTED = ObjectPasting()
# x forward, y left, z up, in metres: all around, as published for Waymo.
POINT_RANGE = (-74.88, -74.88, -2.0, 74.88, 74.88, 4.0)
NUMBERS = Range(minimum=3, maximum=64, unit="numbers")

__all__ = ["DEFAULT_AUGMENT", "POINT_RANGE", "LidarData", "LidarLoading"]


class LidarLoading(ImageBatches, total=False):
    """Keywords that datasets with their own range and augmentation pass on to `LidarData`."""

    trained: Sequence[str] | None
    min_points: int
    paste: ObjectPasting
    numbers: int


class LidarData(TrainedClassData, SplitData[LidarIndex]):
    """A dataset of sweeps of a lidar, with boxes in space and the camera in which they are seen.

    A subclass lists sweeps, calibrations and objects. When a split is first used, its objects are
    counted and logged and a few sweeps are read: cameras that do not show the objects where their
    2-D boxes are, or points that are not where the objects are, are an error before the first step.

    Args:
        point_range: Lowest x, y and z of the points that are used, then the highest, in metres in
            the frame of the lidar: x forward, y left, z up.
        in_view: Whether points that the camera does not see are left out, in training and in
            evaluation, as where only these are annotated.
        trained: Names of the classes that are learned; None for all. The model has outputs for the
            others too, which stay empty.
        min_points: Fewest points in the box of an object that is learned; evaluation counts others
            too.
        augment: Options of the augmentation of training sweeps.
        paste: Options of objects that are pasted into them.
        numbers: Numbers of each point in a file, x, y and z first.
        batch_size: Sweeps per batch and device.
        **loading: Other keywords of `ImageData`.

    Raises:
        ConfigError: An option is out of its range, or a class is unknown.
    """

    kind = "detection3d"
    unit = "sweeps"
    sizes = "--data.point_range"
    collate = staticmethod(collate_lidar)

    def __init__(
        self,
        *,
        point_range: tuple[float, float, float, float, float, float] = POINT_RANGE,
        in_view: bool = False,
        trained: Sequence[str] | None = None,
        min_points: int = 1,
        augment: LidarAugment = DEFAULT_AUGMENT,
        paste: ObjectPasting = NOTHING_PASTED,
        numbers: int = 4,
        batch_size: int = 4,
        **loading: Unpack[ImageLoading],
    ) -> None:
        super().__init__(batch_size=batch_size, **loading)
        check_ranges({"numbers": numbers}, {"numbers": NUMBERS})
        self._options: dict[str, Any] = {
            "augment": augment,
            "min_points": min_points,
            "point_range": point_range,
            "in_view": in_view,
        }
        LidarTrainTransform(**self._options)  # a wrong option, at once
        self.paste = paste
        self.eval_transform = LidarEvalTransform(point_range=point_range, in_view=in_view)
        self.trained = None if trained is None else tuple(trained)
        self.numbers = numbers

    @cached_property
    def train_transform(self) -> LidarTrainTransform:
        """Augments training sweeps; the database of objects is read when it is first used.

        Raises:
            ConfigError: `paste` names an unknown class.
            DataError: The database is absent or broken, or has no object that fits.
        """
        paster = None
        if self.paste.database is not None:
            folder = user_path(self.paste.database)
            database = read_database(folder, numbers=self.numbers)
            paster = ObjectPaster(database, self.paste, self.class_names, self.trained_names)
            for label, rows in paster.candidates.items():
                logger.info(
                    "%s: %s of the class %s can be pasted",
                    folder,
                    counted(len(rows), "objects"),
                    self.class_names[label],
                )
        return LidarTrainTransform(**self._options, paster=paster)

    def make_samples(
        self, index: LidarIndex, transform: LidarTransform, *, targets: bool = True
    ) -> LidarSamples:
        """The samples of a split, with or without objects.

        Raises:
            DataError: Objects are not known.
        """
        return LidarSamples(
            index, transform, self.is_trained, numbers=self.numbers, targets=targets
        )

    def scan(self, split: Split) -> None:
        """Count the objects of a split, read a few sweeps, and log what they are.

        Raises:
            DataError: There is nothing to learn or to measure, or cameras, points and objects do
                not fit, or a sweep cannot be read.
        """
        index, names, trained = self.index(split), self.class_names, self.is_trained
        check_objects(index, split, names, trained, None)
        for line in describe_objects(index, names, trained):
            logger.info("%s: %s", split, line)
        sweeps = self.make_samples(index, self.eval_transform)
        read_some(sweeps, split, skip=self.bad_images.maximum > 0)

    def samples_to_check(self) -> Iterator[Dataset[Any]]:
        """The sweeps of every split that was read."""
        indices = {str(split): index for split, index in self._indices.items()}
        for split, part in unique_parts(indices):
            lines = []
            if part.has_targets:
                lines = describe_objects(part, self.class_names, self.is_trained)
            sweeps = self.make_samples(part, self.eval_transform, targets=part.has_targets)
            yield CheckedSweeps(sweeps, split, lines)

    def summary(self) -> dict[str, SplitSummary]:
        """Numbers of sweeps and objects in the splits that were read."""
        return {
            split: summarise_scenes(index, self.class_names)
            for split, index in self._indices.items()
            if split != "predict"
        }
