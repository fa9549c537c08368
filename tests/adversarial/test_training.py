"""Images, batches and options that are odd or wrong, on their way through training."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from adversarial.case import Case, check, table
from helpers.tiny_detection import tiny_detector
from helpers.tiny_models import TINY
from helpers.tiny_segmentation import tiny_segmentor
from torch import Tensor

from vision.data.transforms.classification import TrainTransform
from vision.data.transforms.detection import DetectionEvalTransform, DetectionTrainTransform
from vision.data.transforms.detection_options import DetectionAugment
from vision.data.transforms.options import Augment
from vision.data.transforms.rand_augment import RandAugment
from vision.data.transforms.segmentation import (
    SegmentationEvalTransform,
    SegmentationTrainTransform,
)
from vision.data.transforms.segmentation_options import SegmentationAugment
from vision.optim.settings import OptimSettings
from vision.optim.weight_decay import undecayed_names
from vision.predict.predictor import build_transform
from vision.tasks.classification import Classification
from vision.tasks.mix import BatchMixer, MixSettings

NAN, INF = float("nan"), float("inf")
Size = tuple[int, int]
Read = Callable[[Path], Any]


def picture(size: Size) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (3, *size), dtype=torch.uint8, generator=generator)


# Images of odd sizes


def detection(size: Size, seed: int = 0, **options: Any) -> Read:
    """The size of a training image for a detector, and the ratio of its two scales, rounded."""

    def read(folder: Path) -> tuple[Size, float]:
        torch.manual_seed(seed)
        transform = DetectionTrainTransform(DetectionAugment(**options), antialias=False)
        image, geometry = transform.change(picture(size))
        return tuple(image.shape[1:]), round(geometry.scale[0] / geometry.scale[1], 2)

    return read


def evaluated(size: Size, kind: Any = DetectionEvalTransform, **options: Any) -> Read:
    """The size of an evaluated image."""

    def read(folder: Path) -> Size:
        changed = kind(**{"antialias": False, **options})
        if kind is DetectionEvalTransform:
            return tuple(changed.change(picture(size))[0].shape[1:])
        return tuple(changed.change(picture(size), None)[0].shape[1:])

    return read


def segmentation(size: Size, **options: Any) -> Read:
    """The sizes of a training image for a segmenter and of its mask."""

    def read(folder: Path) -> tuple[Size, Size]:
        torch.manual_seed(0)
        transform = SegmentationTrainTransform(SegmentationAugment(**options), antialias=False)
        image, mask = transform.change(picture(size), np.zeros(size, dtype=np.uint8))
        assert mask is not None
        return tuple(image.shape[1:]), mask.shape

    return read


def classification(size: Size, **options: Any) -> Read:
    """The size of a training image for a classifier."""

    def read(folder: Path) -> Size:
        torch.manual_seed(0)
        transform = TrainTransform(16, Augment(rand_augment="rand-m10-n4-p1-inc1", **options))
        return tuple(transform(picture(size)).shape[1:])

    return read


SMALL = {"short_sides": (32,), "long_side": 64, "hflip": 0.0}
DETR = {**SMALL, "crop": "detr", "crop_sides": (20,), "crop_size": (8, 12)}
JITTER = {"jitter": (0.2, 0.2), "jitter_size": 64, "hflip": 0.0}
WHOLE = {"short_side": None, "long_side": None, "hflip": 0.0}


@table(
    Case("detection: one pixel", detection((1, 1), **SMALL), gives=((32, 32), 1.0)),
    Case("detection: a column", detection((64, 1), **SMALL), gives=((64, 1), 1.0)),
    Case("detection: a row", detection((1, 64), **SMALL), gives=((1, 64), 1.0)),
    Case("detection: a pixel, cropped", detection((1, 1), **DETR), gives=((32, 32), 1.0)),
    Case("detection: jitter of a pixel", detection((1, 1), **JITTER), gives=((64, 64), 1.0)),
    Case("detection: jitter of a column", detection((386, 1), **JITTER), gives=((64, 64), 1.0)),
    Case("detection: jitter of a row", detection((1, 386), **JITTER), gives=((64, 64), 1.0)),
    Case("evaluation: one pixel", evaluated((1, 1), short_side=9, long_side=9), gives=(9, 9)),
    Case("evaluation: a row", evaluated((1, 900), short_side=9, long_side=90), gives=(1, 90)),
    Case(
        "evaluation: one pixel to segment",
        evaluated((1, 1), SegmentationEvalTransform, short_side=9, long_side=9),
        gives=(9, 9),
    ),
    Case(
        "evaluation: a column to segment",
        evaluated((900, 1), SegmentationEvalTransform, short_side=None, long_side=None),
        gives=(900, 1),
    ),
    Case(
        "segmentation: one pixel",
        segmentation((1, 1), **WHOLE, scale=(0.01, 0.01), crop=(8, 8)),
        gives=((1, 1), (1, 1)),
    ),
    Case(
        "segmentation: a column",
        segmentation((386, 1), **WHOLE, scale=(0.2, 0.2), crop=(64, 64)),
        gives=((64, 1), (64, 1)),
    ),
    Case(
        "segmentation: a row, whole",
        segmentation((1, 386), **WHOLE, scale=(0.2, 0.2), crop=None),
        gives=((1, 386), (1, 386)),
    ),
    Case(
        "segmentation: every window of one class",
        segmentation((40, 40), **WHOLE, scale=(1, 1), crop=(8, 8), max_class_share=0.1),
        gives=((8, 8), (8, 8)),
    ),
    Case("classification: one pixel", classification((1, 1)), gives=(16, 16)),
    Case("classification: a row", classification((1, 500)), gives=(16, 16)),
    Case("classification: a column", classification((500, 1)), gives=(16, 16)),
    Case("classification: two pixels", classification((2, 1), color_jitter=1.0), gives=(16, 16)),
)
def test_images_of_odd_sizes(case: Case, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    check(case, tmp_path, caplog)


# Batches that are mixed


def mixed(count: int, **options: float) -> Read:
    """The partners of the images of a mixed batch; an image that is its own partner alone."""

    def read(folder: Path) -> list[set[int]]:
        torch.manual_seed(1)
        mixer = BatchMixer(MixSettings(**options), num_classes=8)
        images, labels = mixer(torch.rand(count, 3, 9, 7), torch.arange(count))
        assert images.isfinite().all()
        torch.testing.assert_close(labels.sum(dim=1), torch.ones(count))
        return [set(row.nonzero().flatten().tolist()) for row in labels]

    return read


def refused(build: Callable[..., Any], **options: Any) -> Read:
    return lambda folder: build(**options)


@table(
    Case("one image", mixed(1, mixup=0.8), gives=[{0}]),
    Case("one image, cut", mixed(1, cutmix=1.0), gives=[{0}]),
    Case("two images", mixed(2, mixup=0.8), gives=[{0, 1}, {0, 1}]),
    Case("three images", mixed(3, mixup=1.0), gives=[{0, 2}, {1}, {0, 2}]),
    Case("three images, cut", mixed(3, cutmix=1.0), gives=[{0, 2}, {1}, {0, 2}]),
    Case("equal shares", mixed(2, mixup=1000.0), gives=[{0, 1}, {0, 1}]),
    Case("a parameter of NaN", refused(MixSettings, mixup=NAN), ("mix.mixup=nan", "0 to 1,000")),
    Case("an infinite one", refused(MixSettings, cutmix=INF), ("mix.cutmix=inf", "0 to 1,000")),
    Case("a negative one", refused(MixSettings, cutmix=-1), ("mix.cutmix=-1", "0 to 1,000")),
    Case("a probability of 2", refused(MixSettings, prob=2), ("mix.prob=2", "0 to 1")),
    Case("one of NaN", refused(MixSettings, erasing=NAN), ("mix.erasing=nan", "0 to 1")),
)
def test_mixed_batches(case: Case, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    check(case, tmp_path, caplog)


# Options


def preprocessing(kind: Any, **options: Any) -> Read:
    """Build the evaluation transform of a model's description."""
    return lambda folder: build_transform(kind, options).options


def policy(notation: str) -> Read:
    return lambda folder: RandAugment(notation)


SIDES = {"short_side": 32, "long_side": 64}


@table(
    Case(
        "a description of before antialias",
        preprocessing(DetectionEvalTransform, **SIDES),
        gives={**SIDES, "antialias": True},
    ),
    Case(
        "antialias as text",
        preprocessing(DetectionEvalTransform, **SIDES, antialias="no"),
        ("preprocessing", "antialias='no' must be true or false"),
    ),
    Case(
        "antialias as a number, to segment",
        preprocessing(SegmentationEvalTransform, **SIDES, antialias=0),
        ("preprocessing", "antialias=0 must be true or false"),
    ),
    Case(
        "an option of another kind",
        preprocessing(SegmentationEvalTransform, **SIDES, crop=0.9),
        ("preprocessing", "'crop'"),
    ),
    Case("a policy without a head", policy("m9-mstd0.5"), ("'m9'", "Example: rand-m9")),
    Case("a policy beyond the scale", policy("rand-m31"), ("'m31'", "m0 to m30")),
    Case("a policy of no operator", policy("rand-n0"), ("'n0'", "n1, n2")),
    Case("a policy of -1", policy("rand-m-1"), ("'m'", "m0 to m30")),
    Case("a policy of infinite magnitude", policy("rand-minf"), ("'minf'", "m0 to m30")),
    Case("a policy of 400 digits", policy("rand-m" + "9" * 400), ("m0 to m30",)),
    Case("an unknown rule of decay", refused(OptimSettings, no_decay="bias"), ("no_decay='bias'",)),
    Case("no rule of decay", refused(OptimSettings, no_decay=None), ("no_decay=None",)),
    Case("jitter from NaN", refused(DetectionAugment, jitter=(NAN, 2.0)), ("jitter=(nan, 2.0)",)),
    Case("jitter of one end", refused(DetectionAugment, jitter=(1.0,)), ("jitter=(1.0,)",)),
    Case("endless jitter", refused(DetectionAugment, jitter=(0.1, INF)), ("from 0.001 to 100",)),
    Case("an endless scale", refused(SegmentationAugment, scale=(0.5, INF)), ("from 0.01 to 100",)),
    Case("a scale of NaN", refused(SegmentationAugment, scale=(NAN, NAN)), ("scale=(nan, nan)",)),
)
def test_options(case: Case, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    check(case, tmp_path, caplog)


# Weight decay of models that nobody published


def decayed_vectors(make: Callable[..., Any], rule: Any, *names: Any, **options: Any) -> Read:
    """How many vectors of the backbone decay, and how many do not."""

    def read(folder: Path) -> tuple[int, int]:
        task = make(*names, **options)
        free = undecayed_names(task, rule)
        vectors = [
            name
            for name, p in task.named_parameters()
            if p.ndim <= 1 and name.startswith("backbone.")
        ]
        kept = sum(name not in free for name in vectors)
        return kept, len(vectors) - kept

    return read


def timm_classifier(name: str) -> Any:
    return Classification(f"timm/{name}", num_classes=2)


NO_NORM = {"backbone_options": {**TINY["convnext"][1], "layer_scale": 0.0}}


@table(
    # Every vector of a ResNet is of one of 14 batch norms, which timm calls "bn" or "downsample.2".
    Case(
        "vectors of a timm model",
        decayed_vectors(timm_classifier, "vectors", "resnet10t"),
        gives=(0, 28),
    ),
    Case(
        "its named norms",
        decayed_vectors(timm_classifier, "named_norms", "resnet10t"),
        gives=(28, 0),
    ),
    Case("its norms", decayed_vectors(timm_classifier, "norms", "resnet10t"), gives=(0, 28)),
    Case("nothing", decayed_vectors(timm_classifier, "nothing", "resnet10t"), gives=(28, 0)),
    # 5 blocks with 3 biases and a norm each, 4 convolutions and norms between them, 4 at the end.
    Case(
        "norms of a detector without layer scales",
        decayed_vectors(tiny_detector, "norms", "convnext", **NO_NORM),
        gives=(5 * 3 + 4, 5 * 2 + 4 * 2 + 4 * 2),
    ),
    Case(
        "its named norms, of which four are called downsample_layers",
        decayed_vectors(tiny_detector, "named_norms", "convnext", **NO_NORM),
        gives=(5 * 3 + 4 + 4 * 2, 5 * 2 + 4 * 2),
    ),
    Case(
        "vectors of a segmentor",
        decayed_vectors(tiny_segmentor, "vectors", "convnext", "semantic_fpn", **NO_NORM),
        gives=(0, 5 * 5 + 4 * 3 + 4 * 2),
    ),
)
def test_weight_decay(case: Case, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    check(case, tmp_path, caplog)
