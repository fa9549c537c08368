"""The base of the datamodules for boxes in space."""

import logging
from collections.abc import Iterator, Sequence
from typing import Any

from torch.utils.data import Dataset

from vision.data.base.boxes3d_samples import Boxes3DSamples
from vision.data.base.images import ImageBatches, ImageLoading
from vision.data.base.splits import Split, SplitData
from vision.data.base.trained_classes import TrainedClassData
from vision.data.check.boxes3d_facts import (
    check_objects,
    describe_objects,
    summarise_scenes,
    unique_scenes,
)
from vision.data.check.problems import SplitSummary
from vision.data.index.boxes3d import Boxes3DIndex
from vision.data.loading.collate_boxes3d import collate_boxes3d
from vision.data.transforms.boxes3d import (
    DEFAULT_OBJECTS,
    IMAGE_SIZE,
    Boxes3DEvalTransform,
    Boxes3DTrainTransform,
    Boxes3DTransform,
)
from vision.data.transforms.boxes3d_options import Boxes3DAugment, LearnedObjects
from vision.keywords import Unpack

logger = logging.getLogger(__name__)

DEFAULT_AUGMENT = Boxes3DAugment()

__all__ = ["DEFAULT_AUGMENT", "Boxes3DData", "Boxes3DLoading", "Boxes3DOptions"]


class Boxes3DLoading(ImageBatches, total=False):
    """Keywords that datasets with their own default sizes and classes pass on to `Boxes3DData`."""

    objects: LearnedObjects
    augment: Boxes3DAugment


class Boxes3DOptions(Boxes3DLoading, total=False):
    """Keywords that other datasets pass on to `Boxes3DData`."""

    image_size: tuple[int, int]
    trained: Sequence[str] | None


class Boxes3DData(TrainedClassData, SplitData[Boxes3DIndex]):
    """A dataset of single images with known cameras and boxes in space.

    A subclass lists images, cameras and objects. When a split is first used, its objects are
    counted and logged; cameras that do not show them where their 2-D boxes are, are an error before
    the first step.

    Args:
        image_size: Height and width of the model's input in pixels, in training and evaluation: one
            scale brings images to its width, rows are cut or padded.
        trained: Names of the classes that are learned; None for all. The model has outputs for the
            others too, which stay empty.
        objects: Which objects of these classes are learned.
        augment: Options of the augmentation of training images.
        batch_size: Images per batch and device.
        **loading: Other keywords of `ImageData`.

    Raises:
        ConfigError: An option is out of its range, or a class is unknown.
    """

    kind = "detection3d"
    collate = staticmethod(collate_boxes3d)

    def __init__(
        self,
        *,
        image_size: tuple[int, int] = IMAGE_SIZE,
        trained: Sequence[str] | None = None,
        objects: LearnedObjects = DEFAULT_OBJECTS,
        augment: Boxes3DAugment = DEFAULT_AUGMENT,
        batch_size: int = 16,
        **loading: Unpack[ImageLoading],
    ) -> None:
        super().__init__(batch_size=batch_size, **loading)
        self.train_transform = Boxes3DTrainTransform(
            augment, image_size=image_size, objects=objects
        )
        self.eval_transform = Boxes3DEvalTransform(image_size=image_size)
        self.objects = objects
        self.trained = None if trained is None else tuple(trained)

    def make_samples(
        self, index: Boxes3DIndex, transform: Boxes3DTransform, *, targets: bool = True
    ) -> Boxes3DSamples:
        """The samples of a split, with or without objects.

        Raises:
            DataError: Objects are not known.
        """
        return Boxes3DSamples(index, transform, self.is_trained, targets=targets)

    def scan(self, split: Split) -> None:
        """Count the objects of a split, and log what they are.

        Raises:
            DataError: There is nothing to learn or to measure, or cameras and objects do not fit.
        """
        index, names, trained = self.index(split), self.class_names, self.is_trained
        check_objects(index, split, names, trained, self.objects)
        rules = self.objects if split == "train" else None
        for line in describe_objects(index, names, trained, rules):
            logger.info("%s: %s", split, line)

    def samples_to_check(self) -> Iterator[Dataset[Any]]:
        """The images of every split that was read."""
        indices = {str(split): index for split, index in self._indices.items()}
        return unique_scenes(indices, self.class_names, self.is_trained, self.objects)

    def summary(self) -> dict[str, SplitSummary]:
        """Numbers of images and objects in the splits that were read."""
        return {
            split: summarise_scenes(index, self.class_names)
            for split, index in self._indices.items()
            if split != "predict"
        }
