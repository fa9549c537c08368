"""Any dataset of (image, target) pairs as a datamodule."""

import inspect
from collections.abc import Sequence
from typing import Any

from vision.data.adapters.classification import ClassificationPairs
from vision.data.adapters.detection import DetectionPairs
from vision.data.adapters.multilabel import MultiLabelPairs
from vision.data.adapters.pairs import Pairs
from vision.data.adapters.panoptic import PanopticPairs
from vision.data.adapters.segmentation import SegmentationPairs
from vision.data.base.images import ImageBatches
from vision.data.transforms.detection_options import DetectionAugment
from vision.data.transforms.options import Augment, CropMode, Interpolation
from vision.data.transforms.panoptic_options import PanopticAugment
from vision.data.transforms.segmentation_options import SegmentationAugment
from vision.errors import ConfigError, DataError, suggest
from vision.keywords import Unpack

Adapter = ClassificationPairs | DetectionPairs | SegmentationPairs | PanopticPairs
ADAPTERS: tuple[type[Adapter], ...] = (
    *(ClassificationPairs, MultiLabelPairs, PanopticPairs, DetectionPairs, SegmentationPairs),
)
# Datasets that others wrap are at most so deep.
MAX_WRAPPED = 8


class AdapterOptions(ImageBatches, total=False):
    """Keywords of the adapters; each has some of them."""

    image_size: int
    crop: float
    interpolation: Interpolation
    crop_mode: CropMode
    augment: Augment | DetectionAugment | SegmentationAugment | PanopticAugment
    short_side: int | None
    long_side: int | None
    canvas: tuple[int, int] | None
    antialias: bool
    masks: bool
    clip_boxes: bool
    ignored: Sequence[int]
    reduce_zero_label: bool
    things: Sequence[int]


def from_dataset(
    train: Any,
    val: Any,
    *,
    classes: Sequence[str] | None = None,
    kind: str | None = None,
    test: Any = None,
    **options: Unpack[AdapterOptions],
) -> Adapter:
    """Make a datamodule of datasets that are already there.

    A dataset has a length, and its item i is a pair `(image, target)`, as those of torchvision. The
    image is a PIL image, an array `(H, W[, 3])` or a tensor `(3, H, W)`, uint8 or float in 0..1,
    before any normalisation. The first training pair tells which task it is for:

    - a class index: classification;
    - a vector `(K,)`, 1 for each class that is present and 0 for others: classification with any
      number of classes per image;
    - a dict with `boxes` `(M, 4)` xyxy in pixels and `labels` `(M,)`, and optionally `masks`
      `(M, H, W)`, `iscrowd` and `area`: detection;
    - a mask, `(H, W)` class indices, 255 where pixels are ignored: segmentation;
    - a dict with `mask` `(H, W)`, segment ids, 0 for none, and `segments`, a list of dicts with
      `id`, `category_id`, a class index, and optionally `iscrowd`: panoptic segmentation, with
      `things=[...]`, the indices of the classes of countable objects.

    Args:
        train: Training dataset.
        val: Validation dataset.
        classes: Name of each class, by index; None uses the attribute `classes` of `train`.
        kind: Kind of the task, as in `vision.kinds`; None looks at the first pair.
        test: Test dataset; None tests with `val`.
        **options: Options such as `batch_size`, `num_workers`, `seed`, `image_size` and `augment`,
            as in `vision.data.ImageFolder`, `COCO`, `MaskFolder` and `COCOPanoptic`.

    Raises:
        ConfigError: The classes are not known, the first pair fits no task, or an option belongs to
            another one.
        DataError: The training dataset is empty, or its first item is not a pair.
    """
    adapter = _adapter_of(train, kind)
    names = list(inspect.signature(adapter).parameters)
    for option in options:
        if option not in names:
            raise ConfigError(
                f"there is no option {option} for {adapter.kind}.{suggest(option, names)} There "
                f"are {', '.join(names)}."
            )
    known = _classes_of(train) if classes is None else classes
    if not known or isinstance(known, str):
        raise ConfigError(
            f"from_dataset needs classes=[...], the name of each class by index; the "
            f"{type(train).__name__} names none."
        )
    own: dict[str, Any] = {**options}
    return adapter(train=train, val=val, test=test, classes=[*map(str, known)], **own)


def _adapter_of(train: Any, kind: str | None) -> type[Adapter]:
    kinds = {str(adapter.kind): adapter for adapter in ADAPTERS}
    if kind is not None:
        if kind not in kinds:
            raise ConfigError(
                f"kind={kind!r} must be {' or '.join(map(repr, kinds))}.{suggest(kind, kinds)}"
            )
        return kinds[kind]
    pairs = Pairs(train, "training set")
    if not len(pairs):
        raise DataError("the training set is empty.")
    _, target = pairs.read(0)
    for adapter in ADAPTERS:
        if adapter.fits(target):
            return adapter
    raise ConfigError(
        f"the target of {pairs.place(0)} is a {type(target).__name__}; expected a class index, a "
        "vector of classes, a dict with boxes and labels or with a mask and segments, or a mask. "
        f"kind= names the task: {', '.join(kinds)}."
    )


def _classes_of(dataset: Any) -> Sequence[str] | None:
    """The names that a dataset, or the one that it is a part of, has for its classes."""
    for _ in range(MAX_WRAPPED):
        classes = getattr(dataset, "classes", None)
        if classes is not None:
            return list(classes)
        dataset = getattr(dataset, "dataset", None)
    return None
