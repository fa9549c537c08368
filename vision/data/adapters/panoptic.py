"""A dataset of images with segments as a datamodule for panoptic segmentation."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from vision.annotations.columns import check_unique, complete, flag, identities
from vision.annotations.panoptic import Segments, check_segments
from vision.contracts.panoptic import PanopticSample
from vision.contracts.segments import VOID, SegmentInfo
from vision.data.adapters.pair_data import PairData
from vision.data.adapters.pairs import Pairs, check_label
from vision.data.base.panoptic import PanopticData, PanopticOptions
from vision.data.base.panoptic_samples import make_sample
from vision.data.transforms.panoptic import DecodedSegments, PanopticTransform, SegmentSource
from vision.data.transforms.segment_map import SegmentMap, segment_infos
from vision.errors import ConfigError, DataError, listed_lines, shown
from vision.keywords import Unpack
from vision.ops.segment_ids import distinct_ids

KEYS = ("mask", "segments")
EXPECTED = (
    "expected a dict with 'mask', the segment id of each pixel, whole numbers (H, W), 0 for none, "
    "and 'segments', a list of dicts with 'id' and 'category_id', the class index, and maybe "
    "'iscrowd'"
)


class SegmentedPairs(Dataset[PanopticSample]):
    """Samples of the pairs.

    Args:
        pairs: The pairs.
        transform: Makes samples of images and segments.
        things: bool `(K,)`, which classes are things.
        targets: Whether samples have a `mask` and `segments`.
    """

    def __init__(
        self,
        pairs: Pairs,
        transform: PanopticTransform,
        things: np.ndarray,
        *,
        targets: bool = True,
    ) -> None:
        self.pairs = pairs
        self.transform = transform
        self.things = things
        self.targets = targets

    def __getitem__(self, index: int) -> PanopticSample:
        result = self.transform.draw(index, SegmentSource(len(self), self._read, self.things))
        return make_sample(
            result, self.pairs.place(result.place), self.transform.canvas, self.things
        )

    def example(self, index: int) -> tuple[Tensor, Tensor, list[SegmentInfo]]:
        """An image and its segments before the transform, for pictures.

        Args:
            index: Number of the sample.

        Returns:
            uint8 `(3, H, W)` RGB, int32 `(H, W)` segment id or `VOID`, and the segments.

        Raises:
            DataError: They do not fit.
        """
        image, segmented = self._read(index)
        assert segmented is not None, "pictures are drawn of samples with segments"
        infos = segment_infos(segmented.segments, self.things)
        return image, torch.from_numpy(segmented.ids), infos

    def __len__(self) -> int:
        return len(self.pairs)

    def _read(self, index: int) -> DecodedSegments:
        image, target = self.pairs.read(index)
        if not self.targets:
            return DecodedSegments(image, None)
        place = self.pairs.place(index)
        segmented = to_segments(target, len(self.things), place)
        if segmented.ids.shape != tuple(image.shape[1:]):
            height, width = segmented.ids.shape
            raise DataError(
                f"{place} has a mask of {height} x {width} pixels (height x width), but an image "
                f"of {image.shape[1]} x {image.shape[2]}. Each pixel of the image needs one of the "
                "mask."
            )
        return DecodedSegments(image, segmented)


def to_segments(value: object, num_classes: int, place: str) -> SegmentMap:
    """The segments of a target.

    Args:
        value: A dict as `EXPECTED` says.
        num_classes: Number of classes, K.
        place: What the sample is called, for errors.

    Raises:
        DataError: It is none, or its segments are not those of its mask.
    """
    if not isinstance(value, Mapping) or not {*KEYS} <= {*value}:
        keys = f" with {', '.join(map(repr, value))}" if isinstance(value, Mapping) else ""
        raise DataError(f"{place} has a {type(value).__name__}{keys} for a target; {EXPECTED}.")
    mask = value["mask"]
    ids = np.asarray(mask.detach().cpu() if isinstance(mask, Tensor) else mask)
    if ids.ndim != 2 or ids.dtype.kind not in "bui":
        raise DataError(f"{place} has a mask of {ids.dtype} {ids.shape}; {EXPECTED}.")
    low, high = (int(limit(ids, initial=0)) for limit in (np.min, np.max))
    if low < VOID or high > np.iinfo(np.int32).max:
        raise DataError(f"{place} has a mask with ids from {low} to {high}; {EXPECTED}.")
    segments = _read_segments(value["segments"], num_classes, place)
    ids = ids.astype(np.int32)
    check_segments(distinct_ids(ids), segments, place, f"the mask of {place}")
    return SegmentMap(ids, segments)


def _read_segments(rows: object, num_classes: int, place: str) -> Segments:
    if not isinstance(rows, list | tuple):
        raise DataError(f"{place} has {shown(rows)} for segments; {EXPECTED}.")
    problems: list[str] = []
    records = complete(rows, ("id", "category_id"), "segments", problems)
    ids, _ = identities(records, "id", "segment", problems)
    labels, _ = identities(records, "category_id", "segment", problems)
    check_unique(ids, "segments", problems)
    crowd = [flag(record.get("iscrowd")) for record in records]
    problems += [
        f"segment {number}: 'iscrowd' is {shown(record['iscrowd'])}, expected 0 or 1"
        for number, record, value in zip(ids.tolist(), records, crowd, strict=True)
        if value is None
    ]
    if problems:
        raise DataError(f"{place}:\n{listed_lines(problems)}\n{EXPECTED.capitalize()}.")
    for label in labels.tolist():
        check_label(label, num_classes, place)
    return Segments(ids, labels, np.array(crowd, dtype=bool))


class PanopticPairs(PairData, PanopticData):
    """A dataset of images with segments; see `vision.data.from_dataset`.

    Args:
        train: Training pairs.
        val: Validation pairs.
        test: Test pairs; None tests the validation pairs.
        classes: Name of each class, by index.
        things: Indices of the classes of countable objects; the others are stuff.
        **options: Other keywords of `PanopticData`.

    Raises:
        ConfigError: `things` is not given, or an option is out of its range.
    """

    def __init__(
        self,
        *,
        train: Any,
        val: Any,
        test: Any = None,
        classes: Sequence[str],
        things: Sequence[int] | None = None,
        **options: Unpack[PanopticOptions],
    ) -> None:
        super().__init__(**options)
        self._classes = tuple(classes)
        if things is None:
            raise ConfigError(
                "segments need things=[...], the indices of the classes of countable objects; the "
                "others are stuff."
            )
        if wrong := [label for label in things if label not in range(len(self._classes))]:
            raise ConfigError(
                f"things={[*things]}: {shown(wrong[0])} is not the index of a class, 0 to "
                f"{len(self._classes) - 1}."
            )
        self._things = sorted({*things})
        self._train, self._val = Pairs(train, "training set"), Pairs(val, "validation set")
        self._test = self._val if test is None else Pairs(test, "test set")

    @staticmethod
    def fits(target: object) -> bool:
        """Whether a target has segments."""
        return isinstance(target, Mapping) and {*KEYS} <= {*target}

    @property
    def class_names(self) -> tuple[str, ...]:
        """Name of each class, by index."""
        return self._classes

    @property
    def things(self) -> list[int]:
        """Indices of the classes of countable objects."""
        return self._things

    @property
    def category_ids(self) -> np.ndarray:
        """The index of each class."""
        return np.arange(len(self._classes))

    def setup(self, stage: str) -> None:
        """Make the datasets of every stage; nothing is read."""
        is_thing = self.is_thing
        self.train_dataset = SegmentedPairs(self._train, self.train_transform, is_thing)
        self.val_dataset = SegmentedPairs(self._val, self.eval_transform, is_thing)
        self.test_dataset = SegmentedPairs(self._test, self.eval_transform, is_thing)
        self.predict_dataset = SegmentedPairs(
            self._test, self.eval_transform, is_thing, targets=False
        )
