"""The base of the datamodules for object detection and instance segmentation."""

import logging
import os
from abc import abstractmethod
from collections.abc import Iterator
from copy import copy
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from torch.utils.data import Dataset

from vision.data.base.classes import ClassData
from vision.data.base.detection_samples import DetectionSamples
from vision.data.base.images import ImageBatches, ImageData, ImageLoading
from vision.data.base.mixing_epochs import closing_epoch
from vision.data.check.classes import numbered_classes, require_same_classes
from vision.data.check.detection import (
    require_alike_masks,
    require_masks,
    require_masks_to_paste,
    require_objects_to_learn,
    require_objects_to_measure,
)
from vision.data.check.detection_problems import problems_of_layout, summarise_index, unique_images
from vision.data.check.problems import SplitSummary
from vision.data.check.same_images import ImageSource
from vision.data.files.finding import require_folder
from vision.data.index.detection import DetectionIndex
from vision.data.loading.aspect_sampling import AspectSampler
from vision.data.loading.collate_detection import collate_detection
from vision.data.loading.repeat_factors import count_images, repeat_factors
from vision.data.loading.sampling import EpochSampler, SeededSamples
from vision.data.transforms.detection import DetectionEvalTransform
from vision.data.transforms.detection_options import DetectionAugment
from vision.data.transforms.mixing import make_train_transform
from vision.errors import DataError
from vision.keywords import Unpack
from vision.options import check_number
from vision.wording import counted

logger = logging.getLogger(__name__)

Split = Literal["train", "val", "test", "predict"]
DEFAULT_AUGMENT = DetectionAugment()
# Images of a split whose files are checked at the start; the others are when they are read.
LOOKED_FOR = 3


class BoxOptions(ImageBatches, total=False):
    """Keywords that datasets of boxes pass on to `DetectionData`."""

    augment: DetectionAugment
    short_side: int
    long_side: int
    antialias: bool
    keep_empty: bool
    clip_boxes: bool
    group_by_aspect: bool
    repeat_threshold: float | None


class MaskOptions(BoxOptions, total=False):
    """The same for datasets that may have masks."""

    masks: bool


class DetectionData(ClassData, ImageData):
    """A dataset of images with boxes and, where it has them, masks.

    A subclass reads the index of each split. Labels number the classes of the training set; every
    split has to have the same ones.

    Args:
        augment: Options of the augmentation of training images.
        short_side: Length of the short side in pixels after the resize of evaluation.
        long_side: Maximum length of the long side in pixels after that resize.
        antialias: Whether images are antialiased where they shrink, in training and evaluation.
            Published models were trained with mmcv's resize, which does not antialias.
        keep_empty: Whether to train on images without objects, which published recipes leave out.
            Evaluation reads every image.
        masks: Whether to read masks, where the dataset has them.
        clip_boxes: Whether boxes that reach out of their image are clipped to it. Otherwise boxes
            that do so by more than a pixel are errors.
        group_by_aspect: Whether the images of a training batch are all landscape or all portrait.
        repeat_threshold: Share of the training images below which those with a class come more than
            once in an epoch, by the repeat factors of LVIS, 0.001 there; None for once.
        batch_size: Images per batch and device.
        **loading: Other keywords of `ImageData`.

    Raises:
        ConfigError: An option is out of its range.
    """

    kind = "detection"
    collate = staticmethod(collate_detection)
    # Whose rules detections are evaluated by: a name in `vision.metrics.detection_evaluators`.
    evaluation = "coco"
    # The expected layout of the dataset's files; ends the errors.
    expected = ""

    def __init__(
        self,
        *,
        augment: DetectionAugment = DEFAULT_AUGMENT,
        short_side: int = 800,
        long_side: int = 1333,
        antialias: bool = True,
        keep_empty: bool = False,
        masks: bool = True,
        clip_boxes: bool = False,
        group_by_aspect: bool = True,
        repeat_threshold: float | None = None,
        batch_size: int = 2,
        **loading: Unpack[ImageLoading],
    ) -> None:
        super().__init__(batch_size=batch_size, **loading)
        self.train_transform = make_train_transform(augment, masks=masks, antialias=antialias)
        self.eval_transform = DetectionEvalTransform(
            short_side=short_side, long_side=long_side, antialias=antialias
        )
        self.keep_empty = keep_empty
        self.masks = masks
        self.clip_boxes = clip_boxes
        self.group_by_aspect = group_by_aspect
        if repeat_threshold is not None:
            check_number("repeat_threshold", repeat_threshold, above=0, maximum=1)
        self.repeat_threshold = repeat_threshold
        self._indices: dict[Split, DetectionIndex] = {}
        # Number of objects that a reader has left out, by split and reason.
        self.dropped: dict[Split, dict[str, int]] = {}

    @abstractmethod
    def read_index(self, split: Split) -> DetectionIndex:
        """Read the index of a split; called once for each.

        Raises:
            DataError: Files are absent or not in the expected form.
        """

    @property
    def test_split(self) -> Split:
        """The split that is tested; the validation set where a dataset has no other."""
        return "val"

    @property
    def predict_split(self) -> Split:
        """The split to predict; by default the one that is tested."""
        return self.test_split

    @property
    def naming_split(self) -> Split:
        """The split that defines the classes."""
        return "train"

    @property
    def class_names(self) -> tuple[str, ...]:
        """Name of each class, by label."""
        return self.index(self.naming_split).class_names

    @property
    def category_ids(self) -> np.ndarray:
        """The dataset's own number of each class, by label: int64 `(K,)`."""
        return self.index(self.naming_split).category_ids

    def index(self, split: Split) -> DetectionIndex:
        """The index of a split, whole, read when it is first asked for.

        Raises:
            DataError: Files are absent or not in the expected form.
        """
        if split not in self._indices:
            self._indices[split] = self.read_index(split)
        return self._indices[split]

    def annotations(self, split: Split) -> dict[str, Any] | Path:
        """The annotations of a split: the contents of a COCO file, or its path."""
        return self.index(split).ground_truth()

    def ground_truth(self, stage: Literal["val", "test"]) -> dict[str, Any] | Path:
        """The ground truth of an evaluation: the contents of a COCO file, or its path.

        Args:
            stage: Which stage is evaluated.
        """
        return self.annotations(self._split_of(stage))

    def setup(self, stage: str) -> None:
        """Read the indices of a stage and make its datasets.

        Raises:
            DataError: Files are absent or not in the expected form, or splits differ in classes.
        """
        if stage == "fit" and self.train_dataset is None:
            self.train_dataset = self._training_samples()
        if stage in ("fit", "validate") and self.val_dataset is None:
            self.val_dataset = self._evaluated("val", "val")
        if stage == "fit" and self.masks:
            sets = {split: self.index(split) for split in self._splits_of("fit")}
            require_alike_masks(sets, self.looked_at)  # type: ignore[arg-type]
        if stage == "test" and self.test_dataset is None:
            self.test_dataset = self._evaluated(self.test_split, "test")
        if stage == "predict" and self.predict_dataset is None:
            index = self.index(self.predict_split)
            self.require_images(index)
            self.predict_dataset = DetectionSamples(index, self.eval_transform, targets=False)

    def require_masks(self, stage: str) -> None:
        """Raise an error unless the sets of a stage have masks; called by tasks that need them.

        Args:
            stage: Which stage is run; its sets are set up.

        Raises:
            DataError: A set has only boxes.
        """
        for split in self._splits_of(stage):
            require_masks(self.index(split), split, partial(self.looked_at, split))

    def looked_at(self, split: Split) -> str:
        """Where the annotations of a split were looked for, for messages."""
        return f"'{self.index(split).folder}'"

    def layout_problems(self) -> Iterator[str]:
        """Problems that stop `setup`, except those reported for single annotations."""
        return problems_of_layout(self)

    def samples_to_check(self) -> Iterator[Dataset[Any]]:
        """The images of every split that was read, to compare with their annotated sizes."""
        return iter(unique_images(self._indices.values()))

    def image_sources(self) -> Iterator[ImageSource]:
        """The files of every split that was read and has annotations."""
        for split, index in self._indices.items():
            if split != "predict":
                yield ImageSource(split, [str(index.path(i)) for i in range(len(index))])

    def summary(self) -> dict[str, SplitSummary]:
        """Numbers of images, objects, and objects of each class in the splits that were read."""
        return {
            split: summarise_index(index, self.dropped.get(split, {}))
            for split, index in self._indices.items()
            if split != "predict"
        }

    def train_sampler(self, dataset: Dataset[Any], rank: int, count: int) -> EpochSampler:
        """The order of training samples for one of `count` processes."""
        if not self.group_by_aspect and self.repeat_threshold is None:
            return super().train_sampler(dataset, rank, count)
        sizes = dataset.index.sizes  # type: ignore[attr-defined]
        return AspectSampler(
            dataset,
            portrait=(sizes[:, 0] > sizes[:, 1]) & self.group_by_aspect,
            batch_size=self.batch_size,
            seed=self.seed,
            rank=rank,
            count=count,
            factors=self._repeat_factors(dataset.index),  # type: ignore[attr-defined]
        )

    def _repeat_factors(self, index: DetectionIndex) -> np.ndarray | None:
        """How often each training image comes in an epoch; None for once."""
        if self.repeat_threshold is None:
            return None
        factors = repeat_factors(
            index.starts,
            index.labels,
            index.crowd,
            len(index.class_names),
            threshold=self.repeat_threshold,
        )
        logger.info(
            "an epoch has %s draws of the %s images: up to %.1f of one, by repeat_threshold %g",
            f"{round(factors.sum()):,}",
            f"{len(index):,}",
            factors.max(),
            self.repeat_threshold,
        )
        return factors

    @property
    def class_image_counts(self) -> np.ndarray:
        """Number of training images with each class, by label, crowds aside: int64 `(K,)`."""
        index = self.index("train")
        return count_images(index.starts, index.labels, index.crowd, len(index.class_names))

    def train_samples(self, dataset: Dataset[Any]) -> SeededSamples:
        """The training samples by the keys of the sampler, not mixed in the last epochs.

        Raises:
            ConfigError: The last epochs are not known.
        """
        epoch, later = closing_epoch(self.train_transform.augment, self.trainer), None
        if epoch is not None:
            plain: Any = copy(dataset)
            plain.transform = self.train_transform.without_mixing()
            later = epoch, self.readable(plain)
        return SeededSamples(self.readable(dataset), seed=self.seed, later=later)

    def _split_of(self, stage: Literal["val", "test"]) -> Split:
        return "val" if stage == "val" else self.test_split

    def _splits_of(self, stage: str) -> list[Split]:
        """The splits that a stage trains on or evaluates."""
        splits: list[Split] = ["train"] if stage == "fit" else []
        if stage in ("fit", "validate") and self._is_measured("val"):
            splits.append("val")
        if stage == "test" and self._is_measured("test"):
            splits.append(self.test_split)
        return splits

    def _is_measured(self, stage: Literal["val", "test"]) -> bool:
        """Whether an evaluation is not switched off in the trainer."""
        return self.trainer is None or getattr(self.trainer, f"limit_{stage}_batches") != 0

    def _training_samples(self) -> Dataset[Any]:
        index = self.index("train")
        self.require_images(index)
        require_objects_to_learn(index, partial(self.looked_at, "train"))
        if self.train_transform.augment.copy_paste:
            require_masks_to_paste(index, partial(self.looked_at, "train"))
        kept = index if self.keep_empty else index.with_objects()
        left_out = len(index) - len(kept)
        logger.info(
            "training on %s images with %s objects%s",
            f"{len(kept):,}",
            f"{len(kept.boxes):,}",
            f"; left out {counted(left_out, 'images')} without objects" if left_out else "",
        )
        return DetectionSamples(kept, self.train_transform)

    def _evaluated(self, split: Split, stage: Literal["val", "test"]) -> Dataset[Any]:
        index = self.index(split)
        self.require_images(index)
        self._require_same_classes(index, split)
        if self._is_measured(stage):
            require_objects_to_measure(index, split, partial(self.looked_at, split))
        return DetectionSamples(index, self.eval_transform)

    def _require_same_classes(self, index: DetectionIndex, split: Split) -> None:
        """Raise an error unless a split numbers the classes as the training set does."""
        require_same_classes(
            numbered_classes(index.category_ids, index.class_names),
            numbered_classes(self.category_ids, self.class_names),
            names=(split, self.naming_split),
        )

    def require_images(self, index: DetectionIndex) -> None:
        """Raise an error unless the folder and the first images exist.

        Raises:
            DataError: The folder or an image is absent.
        """
        require_folder(index.folder, self.expected)
        for image in range(min(LOOKED_FOR, len(index))):
            if not os.path.exists(index.path(image)):
                raise DataError(
                    f"there is no image '{index.path(image)}' (image id "
                    f"{index.image_ids[image]}). {self.expected}".rstrip()
                )
