"""The base of the datamodules for semantic segmentation."""

import logging
from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from vision.data.base.classes import ClassData
from vision.data.base.images import ImageBatches, ImageLoading
from vision.data.base.segmentation_samples import SegmentationSamples
from vision.data.base.splits import Split, SplitData
from vision.data.check.segmentation_problems import (
    MaskScan,
    describe_scan,
    scan_masks,
    unique_pairs,
)
from vision.data.classes.label_tables import Table
from vision.data.index.segmentation import SegmentationIndex
from vision.data.loading.collate_segmentation import collate_segmentation
from vision.data.transforms.segmentation import (
    SegmentationEvalTransform,
    SegmentationTrainTransform,
    SegmentationTransform,
)
from vision.data.transforms.segmentation_options import SegmentationAugment
from vision.errors import DataError
from vision.keywords import Unpack

logger = logging.getLogger(__name__)

__all__ = ["DEFAULT_AUGMENT", "SegmentationData", "SegmentationIndex", "Split"]

DEFAULT_AUGMENT = SegmentationAugment()


class SegmentationLoading(ImageBatches, total=False):
    """Keywords that datasets with their own default sizes pass on to `SegmentationData`."""

    antialias: bool


class SegmentationOptions(SegmentationLoading, total=False):
    """Keywords that other datasets pass on to `SegmentationData`."""

    augment: SegmentationAugment
    short_side: int | None
    long_side: int | None


class SegmentationData(ClassData, SplitData[SegmentationIndex]):
    """A dataset of images with a class for each pixel.

    A subclass lists the files and maps the values in mask files to classes. When a split is first
    used, a few of its masks are read: the mapping and the share of each class are logged, and
    masks that do not fit are an error before the first step.

    Args:
        augment: Options of the augmentation of training images.
        short_side: Length of the short side in pixels after the resize of evaluation. None,
            together with `long_side`, evaluates images in the size of their files.
        long_side: Maximum length of the long side in pixels after that resize.
        antialias: Whether images are antialiased where they shrink, in training and evaluation.
            Published models were trained with mmcv's resize, which does not antialias.
        batch_size: Images per batch and device.
        **loading: Other keywords of `ImageData`.

    Raises:
        ConfigError: An option is out of its range.
    """

    kind = "segmentation"
    collate = staticmethod(collate_segmentation)

    def __init__(
        self,
        *,
        augment: SegmentationAugment = DEFAULT_AUGMENT,
        short_side: int | None = 512,
        long_side: int | None = 2048,
        antialias: bool = True,
        batch_size: int = 2,
        **loading: Unpack[ImageLoading],
    ) -> None:
        super().__init__(batch_size=batch_size, **loading)
        self.train_transform = SegmentationTrainTransform(augment, antialias=antialias)
        self.eval_transform = SegmentationEvalTransform(
            short_side=short_side, long_side=long_side, antialias=antialias
        )

    @property
    @abstractmethod
    def label_table(self) -> Table:
        """The mapping from values in the mask files to classes.

        Raises:
            DataError: The files that define it are absent.
        """

    @property
    def palette(self) -> np.ndarray | None:
        """The dataset's own colour of each class, uint8 `(K, 3)` RGB; None where it has none."""
        return None

    @property
    def prediction_values(self) -> np.ndarray | None:
        """Value of each class in written prediction files, uint8 `(K,)`.

        None writes the class index.
        """
        return None

    def make_samples(
        self, index: SegmentationIndex, transform: SegmentationTransform, *, targets: bool = True
    ) -> SegmentationSamples:
        """The samples of a split, with or without masks.

        Raises:
            DataError: There are no masks.
        """
        return SegmentationSamples(index, transform, self.label_table, targets=targets)

    def check_scan(self, scan: MaskScan) -> None:
        """Raise an error if the masks that were read show a wrong mapping.

        Raises:
            DataError: All of their pixels are ignored.
        """
        if scan.masks and not scan.counts.any():
            raise DataError(
                f"all pixels of the {scan.masks} masks that were read are ignored, such as in "
                f"'{scan.path}': there is nothing to learn. The mapping is "
                f"{self.label_table.describe()}; the files' values are {scan.value_text()}."
            )

    def samples_to_check(self) -> Iterator[Dataset[Any]]:
        """The images and masks of every split that was read."""
        try:
            table = self.label_table
        except DataError:  # reported by `layout_problems`
            table = None
        indices = {str(split): index for split, index in self._indices.items()}
        return unique_pairs(indices, table, self.class_names if table else ())

    def scan(self, split: Split) -> None:
        """Read a few masks of a split, and log their classes.

        Raises:
            DataError: They do not fit.
        """
        scan = scan_masks(self.index(split), self.label_table)
        self.check_scan(scan)
        present = np.flatnonzero(scan.counts)
        if len(present) == 1:
            logger.warning(
                "%s: every labelled pixel of the %d masks that were read, such as '%s', has the "
                "class '%s'. Check that this mapping of the values in the masks is right: %s",
                split,
                scan.masks,
                scan.path,
                self.class_names[present[0]],
                self.label_table.describe(),
            )
        logger.info(
            "%s: %s", split, describe_scan(scan, self.label_table.describe(), self.class_names)
        )
