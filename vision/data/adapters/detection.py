"""A dataset of (image, target dict) pairs as a datamodule for detection."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as F

from vision.annotations.outlines import starts_of
from vision.contracts.detection import DetectionSample, DetectionTarget
from vision.data.adapters.pairs import Pairs, check_label
from vision.data.base.datamodule import DataModule
from vision.data.base.detection import DetectionData, Split
from vision.data.base.detection_samples import make_sample, make_target
from vision.data.base.images import ImageBatches
from vision.data.check.detection import require_objects_to_measure
from vision.data.check.same_images import ImageSource
from vision.data.files.finding import PathList
from vision.data.index.detection import DetectionIndex, Objects
from vision.data.index.segments import Outline, RunLengths, Segments
from vision.data.loading.loader import Loader
from vision.data.transforms.annotated import AnnotatedImage, AnnotatedImages
from vision.data.transforms.detection import DetectionTransform
from vision.data.transforms.detection_options import DetectionAugment
from vision.data.transforms.geometry import plain_geometry
from vision.data.transforms.objects import map_objects
from vision.errors import DataError
from vision.keywords import Unpack
from vision.workers import start_worker

logger = logging.getLogger(__name__)

EXPECTED = (
    "expected a dict with boxes (M, 4), corners (x1, y1, x2, y2) in pixels, and labels (M,), as "
    "torchvision's detectors use it; masks (M, H, W), iscrowd (M,) and area (M,) may be there too"
)
REMEDY = (
    "torchvision.datasets.wrap_dataset_for_transforms_v2(dataset, target_keys=('boxes', 'labels')) "
    "makes such targets; vision.data.COCO, VOC and YOLO read the files themselves"
)
# Boxes may exceed their image by this in pixels, from rounding.
EDGE = 1.0
READ_AT_ONCE = 16
Outlines = Sequence[Outline] | None  # of each object


class BoxedPairs(Dataset[DetectionSample]):
    """Samples of the pairs.

    Args:
        pairs: The pairs.
        transform: Changes an image and its objects.
        num_classes: Number of classes.
        index: What is known of the pairs from an earlier reading; None where nothing is.
        clip_boxes: Whether boxes that reach out of their image are clipped to it.
        targets: Whether samples have a `target`; if not, they have a `path`.
    """

    def __init__(
        self,
        pairs: Pairs,
        transform: DetectionTransform,
        num_classes: int,
        *,
        index: DetectionIndex | None = None,
        clip_boxes: bool = False,
        targets: bool = True,
    ) -> None:
        self.pairs = pairs
        self.transform = transform
        self.num_classes = num_classes
        if index is not None:
            self.index = index
        self.clip_boxes = clip_boxes
        self.targets = targets

    def __getitem__(self, place: int) -> DetectionSample:
        name = self.pairs.place(place)
        if not self.targets:
            image, _ = self.pairs.read(place)
            return make_sample(self.transform.apply(image), place + 1, name)
        source = AnnotatedImages(self._open, self._partners)
        return make_sample(self.transform.draw(place, source), place + 1, name)

    @contextmanager
    def _open(self, place: int) -> Iterator[AnnotatedImage]:
        """An image and its objects, whose errors name the sample; see `AnnotatedImages`."""
        yield self.annotated(place)

    def _partners(self, place: int) -> range:
        return range(len(self))

    def annotated(self, place: int) -> AnnotatedImage:
        """The image and the objects of a sample, in its pixels.

        Raises:
            DataError: The target is not what is expected.
        """
        image, target = self.pairs.read(place)
        size = (image.shape[1], image.shape[2])
        name = self.pairs.place(place)
        objects, masks = read_objects(target, size, self.num_classes, name, clip=self.clip_boxes)
        return AnnotatedImage(image, objects, None if masks is None else run_lengths(masks))

    def example(self, place: int) -> tuple[Tensor, DetectionTarget]:
        """An image and its objects before the transform, for pictures.

        Args:
            place: Number of the sample.

        Returns:
            uint8 `(3, H, W)` RGB and the objects in its pixels.

        Raises:
            DataError: The target is not what is expected.
        """
        image, objects, outlines = self.annotated(place)
        size = (image.shape[1], image.shape[2])
        unchanged = plain_geometry(size, short_side=min(size), long_side=max(size))
        return image, make_target(map_objects(objects, outlines, unchanged), place + 1)

    def __len__(self) -> int:
        return len(self.pairs)


class DetectionPairsOptions(ImageBatches, total=False):
    """Keywords that `DetectionPairs` passes on to `DetectionData`."""

    augment: DetectionAugment
    short_side: int
    long_side: int
    antialias: bool
    masks: bool
    clip_boxes: bool


class DetectionPairs(DetectionData):
    """A dataset of `(image, target)` pairs; see `vision.data.from_dataset`.

    Validation and test pairs are read once at the start of their stage, as the evaluation compares
    with all of their objects. Training pairs are read when they are asked for: images without
    objects are trained on, and images of any orientation share a batch.

    Args:
        train: Training pairs.
        val: Validation pairs.
        test: Test pairs; None tests the validation pairs.
        classes: Name of each class, by label.
        **options: Other keywords of `DetectionData`.

    Raises:
        ConfigError: An option is out of its range.
    """

    def __init__(
        self,
        *,
        train: Any,
        val: Any,
        test: Any = None,
        classes: Sequence[str],
        **options: Unpack[DetectionPairsOptions],
    ) -> None:
        super().__init__(keep_empty=True, group_by_aspect=False, **options)
        self._classes = tuple(classes)
        self._pairs: dict[Split, Pairs] = {
            "train": Pairs(train, "training set"),
            "val": Pairs(val, "validation set"),
        }
        if test is not None:
            self._pairs["test"] = Pairs(test, "test set")

    @staticmethod
    def fits(target: object) -> bool:
        """Whether a target lists objects."""
        return isinstance(target, Mapping | list)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Name of each class, by label."""
        return self._classes

    @property
    def category_ids(self) -> np.ndarray:
        """The labels: int64 `(K,)`."""
        return np.arange(len(self._classes))

    @property
    def test_split(self) -> Split:
        """The test pairs, or else the validation pairs."""
        return "test" if "test" in self._pairs else "val"

    def setup(self, stage: str) -> None:
        """Make the datasets of a stage.

        Raises:
            DataError: A target that is evaluated with is not what is expected.
        """
        if stage == "predict":
            self.predict_dataset = self._samples(self.test_split, targets=False)
        else:
            super().setup(stage)

    def read_index(self, split: Split) -> DetectionIndex:
        """Read all pairs of a split, once.

        Raises:
            DataError: A target is not what is expected.
        """
        samples = self._samples(split)
        logger.info("reading the %s %s samples, to evaluate with", f"{len(samples):,}", split)
        # For few images, starting processes would take longer than reading.
        workers = min(self.num_workers, len(samples) // READ_AT_ONCE)
        loader = Loader(
            _OnlyObjects(samples),
            batch_size=READ_AT_ONCE,
            num_workers=workers,
            collate_fn=list,
            worker_init_fn=start_worker,
        )
        found = [one for batch in loader for one in batch]
        index = build_index(found, self._pairs[split].name, self.class_names)
        return index if self.masks or not index.has_masks else index.without_masks()

    def require_images(self, index: DetectionIndex) -> None:
        """Do nothing: the images are no files."""

    def looked_at(self, split: Split) -> str:
        """Where the objects of a split come from."""
        return f"the targets of the {self._pairs[split].name}"

    def samples_to_check(self) -> Iterator[Dataset[Any]]:
        """The datasets that are set up."""
        return DataModule.samples_to_check(self)

    def image_sources(self) -> Iterator[ImageSource]:
        """None: the images are no files."""
        return iter(())

    def _samples(
        self, split: Split, *, index: DetectionIndex | None = None, targets: bool = True
    ) -> BoxedPairs:
        return BoxedPairs(
            self._pairs[split],
            self.train_transform if split == "train" else self.eval_transform,
            self.num_classes,
            index=index,
            clip_boxes=self.clip_boxes,
            targets=targets,
        )

    def _splits_of(self, stage: str) -> list[Split]:
        # The training pairs are not read before they are trained on.
        return [split for split in super()._splits_of(stage) if split != "train"]

    def _training_samples(self) -> Dataset[Any]:
        return self._samples("train")

    def _evaluated(self, split: Split, stage: Literal["val", "test"]) -> Dataset[Any]:
        index = self.index(split)
        if self._is_measured(stage):
            require_objects_to_measure(index, split, partial(self.looked_at, split))
        return self._samples(split, index=index)


def read_objects(
    target: object, size: tuple[int, int], num_classes: int, place: str, *, clip: bool
) -> tuple[Objects, np.ndarray | None]:
    """Read the target of an image in the form of torchvision's detectors.

    Boxes without width or height are left out.

    Args:
        target: The target.
        size: Height and width of the image in pixels.
        num_classes: Number of classes.
        place: What the sample is called, for errors.
        clip: Whether boxes that reach out of the image are clipped to it; if not, they are errors.

    Returns:
        The objects, and bool masks `(M, H, W)`; None without masks.

    Raises:
        DataError: The target is not what is expected.
    """
    if not isinstance(target, Mapping) or not {"boxes", "labels"} <= {*target}:
        have = ""
        if isinstance(target, Mapping):
            have = f" with {', '.join(map(repr, target)) or 'no key'}"
        raise DataError(
            f"the target of {place} is a {type(target).__name__}{have}; {EXPECTED}. {REMEDY}."
        )
    boxes = _boxes(target["boxes"], size, place, clip=clip)
    labels = _column(target["labels"], len(boxes), "labels", place)
    if labels.dtype.kind not in "bui":
        raise DataError(f"the labels of {place} are {labels.dtype}; expected whole numbers.")
    for label in labels.tolist():
        check_label(int(label), num_classes, place)
    crowd = _column(target.get("iscrowd", np.zeros(len(boxes))), len(boxes), "iscrowd", place)
    masks = _masks(target["masks"], len(boxes), size, place) if "masks" in target else None
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) if masks is None else masks.sum(axis=(1, 2))
    if "area" in target:
        areas = _column(target["area"], len(boxes), "area", place)
    kept = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    objects = Objects(
        boxes=boxes[kept],
        labels=labels[kept].astype(np.int32),
        crowd=crowd[kept].astype(bool),
        areas=areas[kept].astype(np.float32),
        rows=range(int(kept.sum())),
    )
    return objects, None if masks is None else masks[kept]


def run_lengths(masks: np.ndarray) -> list[Outline]:
    """The run lengths of masks, bool `(M, H, W)`, packed."""
    from pycocotools.mask import encode

    planes = np.asfortranarray(masks.transpose(1, 2, 0).astype(np.uint8))
    return [RunLengths(size=one["size"], counts=one["counts"]) for one in encode(planes)]


class _OnlyObjects(Dataset[Any]):
    """Size, objects and outlines of each sample, without its pixels."""

    def __init__(self, samples: BoxedPairs) -> None:
        self.samples = samples

    def __getitem__(self, place: int) -> tuple[tuple[int, int], Objects, Outlines]:
        image, objects, outlines = self.samples.annotated(place)
        return (image.shape[1], image.shape[2]), objects, outlines

    def __len__(self) -> int:
        return len(self.samples)


def build_index(
    found: Sequence[tuple[tuple[int, int], Objects, Outlines]],
    name: str,
    class_names: tuple[str, ...],
) -> DetectionIndex:
    """The index of samples whose objects are known; images and objects are numbered from 1.

    Args:
        found: Height and width in pixels, objects, and outlines of each sample.
        name: What the samples are called.
        class_names: Name of each class, by label.
    """
    sizes = np.array([size for size, _, _ in found], dtype=np.int32).reshape(-1, 2)
    objects = [one for _, one, _ in found]
    outlines = [outline for _, _, own in found for outline in own or ()]
    boxes = np.concatenate([np.zeros((0, 4), dtype=np.float32), *(one.boxes for one in objects)])
    has_masks = 0 < len(outlines) == len(boxes)
    return DetectionIndex(
        folder=Path(),
        paths=PathList(f"{name}/{place:06d}" for place in range(len(found))),
        image_ids=np.arange(1, len(found) + 1),
        sizes=sizes,
        starts=starts_of([len(one.boxes) for one in objects]),
        boxes=boxes,
        labels=np.concatenate([np.zeros(0, dtype=np.int32), *(one.labels for one in objects)]),
        crowd=np.concatenate([np.zeros(0, dtype=bool), *(one.crowd for one in objects)]),
        areas=np.concatenate([np.zeros(0, dtype=np.float32), *(one.areas for one in objects)]),
        annotation_ids=np.arange(1, len(boxes) + 1),
        segments=Segments.of(outlines) if has_masks else Segments.empty(len(boxes)),
        class_names=class_names,
        category_ids=np.arange(len(class_names)),
        has_masks=has_masks,
    )


def _boxes(value: Any, size: tuple[int, int], place: str, *, clip: bool) -> np.ndarray:
    if isinstance(value, tv_tensors.BoundingBoxes):
        value = F.convert_bounding_box_format(value, new_format="XYXY").as_subclass(Tensor)
    boxes = np.asarray(value, dtype=np.float32)
    if not boxes.size:
        return np.zeros((0, 4), dtype=np.float32)
    if boxes.ndim != 2 or boxes.shape[1] != 4 or not np.isfinite(boxes).all():
        raise DataError(
            f"the boxes of {place} are {boxes.shape}; expected finite numbers (M, 4), corners (x1, "
            "y1, x2, y2) in pixels."
        )
    limit = np.array(size[::-1] * 2, dtype=np.float32)
    turned = (boxes[:, 2:] < boxes[:, :2]).any(axis=1)
    outside = ((boxes < -EDGE) | (boxes > limit + EDGE)).any(axis=1)
    bad = turned if clip else turned | outside
    if bad.any():
        raise DataError(
            f"{place} has the box {boxes[bad][0].round(2).tolist()} in an image of {size[0]} x "
            f"{size[1]} (height x width); expected corners (x1, y1, x2, y2) in pixels. If it is "
            "(x, y, width, height): torchvision.ops.box_convert(boxes, 'xywh', 'xyxy'); if it "
            "reaches out of the image: clip_boxes=True."
        )
    return boxes.clip(0, limit)


def _masks(value: Any, count: int, size: tuple[int, int], place: str) -> np.ndarray:
    masks = np.asarray(value)
    if masks.shape != (count, *size) and (masks.size or count):
        raise DataError(
            f"the masks of {place} are {masks.shape}; expected {(count, *size)}: one per box, in "
            "the size of the image."
        )
    return masks.reshape(count, *size) != 0


def _column(value: Any, count: int, key: str, place: str) -> np.ndarray:
    column = np.asarray(value).reshape(-1)
    if len(column) != count:
        raise DataError(f"{place} has {count} boxes and {len(column)} {key}; expected one per box.")
    return column if len(column) else column.astype(np.int64)
