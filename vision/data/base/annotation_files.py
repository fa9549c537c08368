"""The base of detection datasets whose annotations are one file per image: YOLO and Pascal VOC."""

import logging
import os
from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from vision.data.base.detection import DetectionData, MaskOptions, Split
from vision.data.check.detection_problems import summarise_index, unique_images
from vision.data.check.problems import SplitSummary
from vision.data.files.finding import find_images, require_folder
from vision.data.index.builder import IndexBuilder
from vision.data.index.detection import DetectionIndex
from vision.errors import DataError
from vision.keywords import Unpack
from vision.program import command
from vision.reading import user_path

logger = logging.getLogger(__name__)

Report = Callable[[str], Any]


@dataclass(frozen=True)
class Reading:
    """The contents of a split.

    Attributes:
        index: Its images and objects.
        dropped: Number of objects that are left out, by reason.
        outlined: Number of objects that have an outline of their own.
    """

    index: DetectionIndex
    dropped: dict[str, int]
    outlined: int


class AnnotationFiles(DetectionData):
    """A detection dataset with one file of annotations per image.

    A subclass reads a split and reports its problems. The first one ends a run, while a check of
    the dataset lists them all.

    Args:
        root: The dataset's folder.
        predict_root: A folder of images to predict, nested or not; None predicts the set that is
            tested.
        **options: Other keywords of `DetectionData`.

    Raises:
        ConfigError: An option is out of its range.
    """

    def __init__(
        self,
        *,
        root: str | os.PathLike[str],
        predict_root: str | os.PathLike[str] | None = None,
        **options: Unpack[MaskOptions],
    ) -> None:
        super().__init__(**options)
        self.root = user_path(root)
        self.predict_root = None if predict_root is None else user_path(predict_root)
        self._readings: dict[Split, Reading] = {}
        self._problems: list[str] | None = None

    @property
    def predict_split(self) -> Split:
        """The images of `predict_root`, or the set that is tested."""
        return self.test_split if self.predict_root is None else "predict"

    @property
    @abstractmethod
    def splits(self) -> tuple[Split, ...]:
        """The splits that have annotations."""

    @abstractmethod
    def read_split(self, split: Split, report: Report, report_image: Report) -> Reading:
        """Read the images and objects of a split.

        Args:
            split: The split.
            report: Called with each problem of an annotation, which is then left out.
            report_image: Called with each problem of an image.

        Raises:
            DataError: The list of the split's images cannot be read.
        """

    def read_index(self, split: Split) -> DetectionIndex:
        """Read a split.

        Raises:
            DataError: Files are absent or not in the expected form.
        """
        if split == "predict":
            return self._to_predict()
        reading = self.read_split(split, self._refuse, self._refuse)
        index, outlined = reading.index, reading.outlined
        self.dropped[split] = reading.dropped
        for reason, count in reading.dropped.items():
            if count:
                logger.warning("%s: dropped %s %s objects", split, f"{count:,}", reason)
        if 0 < outlined < len(index.boxes):
            logger.warning(
                "%s: only %s of %s objects have an outline; only boxes are used",
                split,
                f"{outlined:,}",
                f"{len(index.boxes):,}",
            )
        return index if self.masks or not index.has_masks else index.without_masks()

    def annotation_problems(self) -> Iterator[str]:
        """Everything that is wrong with the annotations of any split."""
        if self._problems is None:
            self._problems = []
            for split in self._known_splits():
                try:
                    reading = self.read_split(split, self._problems.append, lambda text: None)
                except DataError:
                    continue  # setup has found the same
                self._readings[split] = reading
                self._problems += self.split_problems(split)
        yield from self._problems

    def split_problems(self, split: Split) -> Iterator[str]:
        """Problems of a split other than its annotations."""
        return iter(())

    def samples_to_check(self) -> Iterator[Dataset[Any]]:
        """The images of all splits, also with wrong annotations, and the images to predict."""
        list(self.annotation_problems())
        indices = [reading.index for reading in self._readings.values()]
        yield from unique_images([*indices, *self._indices.values()])

    def summary(self) -> dict[str, SplitSummary]:
        """The contents of the splits, after a check also of those with problems."""
        checked = {
            str(split): summarise_index(reading.index, reading.dropped)
            for split, reading in self._readings.items()
        }
        return super().summary() | checked

    def _known_splits(self) -> tuple[Split, ...]:
        try:
            return self.splits
        except DataError:
            return ()

    def _refuse(self, problem: str) -> None:
        raise DataError(
            f"{problem}\n`{command('check-dataset')} {type(self).__name__} --root {self.root}` "
            "lists everything that is wrong."
        )

    def _to_predict(self) -> DetectionIndex:
        assert self.predict_root is not None, "there is a folder to predict"
        require_folder(self.predict_root, "Expected a folder of images, nested or not.")
        images = find_images(self.predict_root)
        if not images:
            raise DataError(f"there are no images in '{self.predict_root.resolve()}'.")
        builder = IndexBuilder(self.predict_root, self.class_names, self.category_ids.tolist())
        nothing = np.zeros(0, dtype=np.int32)
        for path in images:
            builder.add(path, (0, 0), labels=nothing, boxes=np.zeros((0, 4), dtype=np.float32))
        return builder.build()
