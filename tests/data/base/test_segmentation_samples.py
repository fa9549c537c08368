from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_masks import class_map, write_mask_folder
from PIL import Image

from vision.contracts.segmentation import IGNORED
from vision.data.base.segmentation_samples import SegmentationSamples
from vision.data.classes.label_tables import LabelTable
from vision.data.files.finding import PathList
from vision.data.images.read import read_image
from vision.data.index.segmentation import SegmentationIndex
from vision.data.loading.bad_images import SkippingSamples
from vision.data.loading.sampling import SeededSamples
from vision.data.transforms.segmentation import (
    SegmentationEvalTransform,
    SegmentationTrainTransform,
)
from vision.data.transforms.segmentation_options import SegmentationAugment
from vision.errors import DataError, ImageError

TABLE = LabelTable.classes(3)
EVAL = SegmentationEvalTransform(short_side=20, long_side=100)
TRAIN = SegmentationTrainTransform(SegmentationAugment(short_side=40, crop=(64, 24)))


def index_of(root: Path, names: tuple[str, ...] = ("0", "1", "2", "3")) -> SegmentationIndex:
    return SegmentationIndex(
        images=PathList(str(root / "images" / "train" / f"{name}.png") for name in names),
        masks=PathList(str(root / "masks" / "train" / f"{name}.png") for name in names),
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_mask_folder(tmp_path)


def test_samples_of_evaluation(root: Path) -> None:
    samples = SegmentationSamples(index_of(root), EVAL, TABLE)
    assert len(samples) == 4
    sample = samples[2]
    assert {*sample} == {"image", "original_size", "path", "mask"}
    assert sample["image"].shape == (3, 20, 28)
    assert sample["original_size"].tolist() == [40, 56]
    assert sample["original_size"].dtype == torch.int64
    assert sample["path"] == samples.paths[2] == f"{root}/images/train/2.png"
    np.testing.assert_array_equal(sample["mask"], class_map(2))
    assert sample["mask"].dtype == torch.uint8


def test_samples_of_training_name_their_canvas(root: Path) -> None:
    sample = SegmentationSamples(index_of(root), TRAIN, TABLE)[0]
    assert sample["canvas"] == (64, 24)
    assert sample["image"].shape[1:] == sample["mask"].shape
    assert {*sample["mask"].unique().tolist()} <= {0, 1, 2, IGNORED}


def test_training_depends_on_seed_epoch_and_index_alone(root: Path) -> None:
    def sample(seed: int, epoch: int, index: int) -> dict[str, torch.Tensor]:
        samples = SegmentationSamples(index_of(root), TRAIN, TABLE)
        torch.manual_seed(epoch * 7 + index)  # what the process has drawn before does not matter
        return SeededSamples(samples, seed=seed)[(epoch, index)]

    one, same = sample(0, 3, 1), sample(0, 3, 1)
    assert torch.equal(one["image"], same["image"])
    assert torch.equal(one["mask"], same["mask"])
    for other in (sample(1, 3, 1), sample(0, 4, 1), sample(0, 3, 2)):
        assert one["image"].shape != other["image"].shape or not torch.equal(
            one["image"], other["image"]
        )


def test_images_to_predict(root: Path) -> None:
    index = SegmentationIndex(images=index_of(root).images)
    samples = SegmentationSamples(index, EVAL, TABLE, targets=False)
    assert {*samples[0]} == {"image", "original_size", "path"}
    with refuses(DataError, "4 images", "0.png"):
        SegmentationSamples(index, EVAL, TABLE)
    with refuses(DataError, "image", "1.png"):
        samples.example(1)


def test_an_example_is_as_in_its_files(root: Path) -> None:
    image, mask = SegmentationSamples(index_of(root), TRAIN, TABLE).example(3)
    assert torch.equal(image, read_image(root / "images" / "train" / "3.png"))
    np.testing.assert_array_equal(mask, class_map(3))
    assert mask.dtype == torch.uint8


def test_bad_files_can_be_gone_past_but_not_wrong_labels(root: Path) -> None:
    samples = SegmentationSamples(index_of(root), EVAL, TABLE)
    (root / "masks" / "train" / "0.png").write_bytes(b"no image")
    Image.fromarray(class_map(size=(40, 55))).save(root / "masks" / "train" / "1.png")
    with refuses(ImageError, "mask", "0.png", "PNG"):
        samples[0]
    with refuses(ImageError, "mask", "1.png", "40 x 55", "image"):
        samples[1]
    skipped = SkippingSamples(samples, maximum=2)[0]
    assert skipped["path"].endswith("2.png")
    assert len(skipped["bad_images"]) == 2
    Image.fromarray(np.full((40, 56), 9, dtype=np.uint8)).save(root / "masks" / "train" / "2.png")
    with refuses(DataError, "mask", "2.png", "9", "2,240 pixels"):
        SkippingSamples(samples, maximum=9)[2]


def test_an_index(root: Path) -> None:
    index = index_of(root)
    part = index.take(np.array([3, 1]))
    assert [*part.images] == [index.images[3], index.images[1]]
    assert part.masks is not None
    assert part.masks[0] == f"{root}/masks/train/3.png"
    assert SegmentationIndex(images=index.images).take(np.array([0])).masks is None
    with refuses(DataError, "4 images", "1 masks"):
        SegmentationIndex(images=index.images, masks=PathList(["a.png"]))
