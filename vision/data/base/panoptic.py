"""The base of the datamodules for panoptic segmentation."""

import logging
from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from vision.data.base.classes import ClassData
from vision.data.base.images import ImageBatches, ImageLoading
from vision.data.base.panoptic_samples import PanopticSamples
from vision.data.base.splits import Split, SplitData
from vision.data.check.panoptic_problems import (
    SegmentScan,
    describe_scan,
    one_sort,
    scan_segments,
    summarise_index,
    unique_segmented,
)
from vision.data.check.problems import SplitSummary
from vision.data.index.panoptic import PanopticIndex
from vision.data.loading.collate_panoptic import collate_panoptic
from vision.data.transforms.panoptic import (
    PanopticEvalTransform,
    PanopticTrainTransform,
    PanopticTransform,
)
from vision.data.transforms.panoptic_options import PanopticAugment
from vision.errors import DataError
from vision.keywords import Unpack
from vision.wording import counted

logger = logging.getLogger(__name__)

__all__ = ["DEFAULT_AUGMENT", "PanopticData", "PanopticOptions", "Split"]

DEFAULT_AUGMENT = PanopticAugment()


class PanopticLoading(ImageBatches, total=False):
    """Keywords that datasets with their own default sizes pass on to `PanopticData`."""

    antialias: bool


class PanopticOptions(PanopticLoading, total=False):
    """Keywords that other datasets pass on to `PanopticData`."""

    augment: PanopticAugment
    long_side: int | None
    canvas: tuple[int, int] | None


class PanopticData(ClassData, SplitData[PanopticIndex]):
    """A dataset of images with a segment for each pixel: objects, and regions of stuff.

    A subclass lists the files and segments. When a split is first used, a few of its images are
    read: what they hold is logged, and files that do not fit are an error before the first step.

    Args:
        augment: Options of the augmentation of training images.
        long_side: Length of the long side in pixels after the resize of evaluation, less where the
            image would not fit into the canvas. None evaluates images in the size of their files.
        canvas: Height and width in pixels that evaluated images are padded to at the right and at
            the bottom, as published; None for no padding.
        antialias: Whether images are antialiased where they shrink, in training and evaluation.
        batch_size: Images per batch and device.
        **loading: Other keywords of `ImageData`.

    Raises:
        ConfigError: An option is out of its range.
    """

    kind = "panoptic"
    collate = staticmethod(collate_panoptic)

    def __init__(
        self,
        *,
        augment: PanopticAugment = DEFAULT_AUGMENT,
        long_side: int | None = 1281,
        canvas: tuple[int, int] | None = (1281, 1281),
        antialias: bool = True,
        batch_size: int = 2,
        **loading: Unpack[ImageLoading],
    ) -> None:
        super().__init__(batch_size=batch_size, **loading)
        self.train_transform = PanopticTrainTransform(augment, antialias=antialias)
        self.eval_transform = PanopticEvalTransform(
            long_side=long_side, canvas=canvas, antialias=antialias
        )

    @property
    @abstractmethod
    def things(self) -> list[int]:
        """Indices of the classes of countable objects, ascending; the others are stuff."""

    @property
    @abstractmethod
    def category_ids(self) -> np.ndarray:
        """The dataset's own number of each class, by label: int64 `(K,)`."""

    @property
    def is_thing(self) -> np.ndarray:
        """Which classes are things, bool `(K,)`."""
        return np.isin(np.arange(self.num_classes), self.things)

    @property
    def palette(self) -> np.ndarray | None:
        """The dataset's own colour of each class, uint8 `(K, 3)` RGB; None where it has none."""
        return None

    def make_samples(
        self, index: PanopticIndex, transform: PanopticTransform, *, targets: bool = True
    ) -> PanopticSamples:
        """The samples of a split, with or without segments.

        Raises:
            DataError: There are no segments.
        """
        things = self.is_thing if targets else np.zeros(0, dtype=bool)
        return PanopticSamples(index, transform, things, targets=targets)

    def check_scan(self, split: Split, scan: SegmentScan) -> None:
        """Raise an error if there is nothing to learn in a split.

        Raises:
            DataError: It has no segment, or only crowds.
        """
        table = self.index(split).table
        crowds = scan.crowds if table is None else int(table.crowd.sum())
        others = int(scan.counts.sum()) if table is None else len(table.ids) - crowds
        if scan.images and not others:
            only = f" but {counted(crowds, 'crowds')} ('iscrowd' 1)" if crowds else ""
            some = f"{scan.images} images that were read" if table is None else "images"
            raise DataError(
                f"the {some} of the {split} set, such as '{scan.path}', have no segment{only}: "
                "there is nothing to learn or to measure. Expected segments with 'iscrowd' 0; take "
                "the annotations of the whole split, or annotate objects one by one."
            )

    def samples_to_check(self) -> Iterator[Dataset[Any]]:
        """The images and segments of every split that was read."""
        indices = {str(split): index for split, index in self._indices.items()}
        if not any(index.has_targets for index in indices.values()):
            return unique_segmented(indices, (), np.zeros(0, dtype=bool))
        return unique_segmented(indices, self.class_names, self.is_thing)

    def summary(self) -> dict[str, SplitSummary]:
        """Numbers of images and segments in the splits that were read."""
        return {
            split: summarise_index(index, self.class_names)
            for split, index in self._indices.items()
            if split != "predict"
        }

    def scan(self, split: Split) -> None:
        """Read a few images of a split with their segments, and log what they hold.

        Raises:
            DataError: They do not fit, or there is nothing to learn.
        """
        skip = self.bad_images.maximum > 0
        scan = scan_segments(self.index(split), self.num_classes, skip_bad_images=skip)
        self.check_scan(split, scan)
        if remark := one_sort(self.is_thing):
            logger.warning("%s: %s", split, remark)
        logger.info("%s: %s", split, describe_scan(scan, self.class_names, self.is_thing))
