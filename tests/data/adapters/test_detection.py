from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_coco import CATEGORIES, write_tiny_coco
from helpers.tiny_detection import tiny_detector
from lightning import Trainer
from PIL import Image
from torch.utils.data import Dataset
from torchvision import tv_tensors

from vision.data import COCO, DetectionAugment, from_dataset
from vision.errors import ConfigError, DataError

CLASSES = list(CATEGORIES.values())
OPTIONS: dict[str, Any] = {"short_side": 64, "long_side": 96, "batch_size": 2, "num_workers": 0}
AUGMENT = DetectionAugment(short_sides=(64,), long_side=96)


class Targets(Dataset[Any]):
    """The images and objects of a datamodule, in torchvision's form."""

    def __init__(self, samples: Any, *, masks: bool = True) -> None:
        self.samples, self.masks = samples, masks

    def __getitem__(self, index: int) -> tuple[Any, dict[str, Any]]:
        image, target = self.samples.example(index)
        kept = ("boxes", "labels", "iscrowd", "area", *(["masks"] if self.masks else []))
        return Image.fromarray(image.permute(1, 2, 0).numpy()), {k: target[k] for k in kept}

    def __len__(self) -> int:
        return len(self.samples)


@pytest.fixture(scope="module")
def coco(tmp_path_factory: pytest.TempPathFactory) -> COCO:
    root: Path = tmp_path_factory.mktemp("pairs")
    write_tiny_coco(root)
    data = COCO(root=root, cache_dir="", keep_empty=True, augment=AUGMENT, **OPTIONS)
    data.setup("fit")
    return data


@pytest.fixture(scope="module")
def pairs(coco: COCO) -> Any:
    train, val = Targets(coco.train_dataset), Targets(coco.val_dataset)
    data = from_dataset(train, val, classes=CLASSES, augment=AUGMENT, **OPTIONS)
    data.setup("fit")
    return data


def test_samples_are_those_of_the_dataset_itself(coco: COCO, pairs: Any) -> None:
    assert len(pairs.val_dataset) == len(coco.val_dataset)  # type: ignore[arg-type]
    for i in range(len(pairs.val_dataset)):
        ours, theirs = pairs.val_dataset[i], coco.val_dataset[i]  # type: ignore[index]
        for key in ("image", "original_size"):
            torch.testing.assert_close(ours[key], theirs[key])
        for key in ("boxes", "labels", "iscrowd", "area"):
            torch.testing.assert_close(ours["target"][key], theirs["target"][key])
    torch.manual_seed(0)
    ours = pairs.train_dataset[3]["target"]
    torch.manual_seed(0)
    theirs = coco.train_dataset[3]["target"]  # type: ignore[index]
    assert bool((ours["masks"] == theirs["masks"]).float().mean() > 0.98)  # drawn, then resampled


def test_the_ground_truth_is_that_of_the_dataset_itself(coco: COCO, pairs: Any) -> None:
    ours, theirs = pairs.index("val"), coco.index("val")
    np.testing.assert_allclose(ours.boxes, theirs.boxes, atol=1e-3)
    for name in ("labels", "crowd", "starts", "sizes"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
    truth = pairs.ground_truth("val")
    assert [category["name"] for category in truth["categories"]] == CLASSES
    assert {one["image_id"] for one in truth["annotations"]} <= set(ours.image_ids.tolist())
    assert all("segmentation" in one for one in truth["annotations"])


def test_it_trains_and_is_measured(pairs: Any) -> None:
    trainer = Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    task = tiny_detector(detector="mask_rcnn", num_classes=len(CLASSES))
    trainer.fit(task, pairs)
    assert 0 <= float(trainer.callback_metrics["val/box_AP"]) <= 1
    assert task.class_names == CLASSES


def test_pairs_are_mixed_too() -> None:
    other = {"boxes": torch.tensor([[0.0, 0.0, 50.0, 40.0]]), "labels": torch.tensor([0])}
    pairs = [(IMAGE, GOOD), (IMAGE + 200, other)]
    for options in ({"mosaic": 1.0, "mosaic_size": 32}, {"mixup": 1.0}):
        augment = replace(AUGMENT, **options)
        data: Any = from_dataset(pairs, pairs, classes=CLASSES, augment=augment, **OPTIONS)
        data.setup("fit")
        torch.manual_seed(0)
        samples = [data.train_dataset[0] for _ in range(4)]
        assert all(sample["image_id"] == 1 for sample in samples)
        assert all(sample["original_size"].tolist() == [40, 50] for sample in samples)
        assert all(0 in sample["target"]["labels"] for sample in samples)
        assert any(sample["target"]["labels"].unique().tolist() == [0, 1] for sample in samples)
    paste = replace(AUGMENT, copy_paste=1.0)
    data = from_dataset(pairs, pairs, classes=CLASSES, augment=paste, **OPTIONS)
    data.setup("fit")
    with refuses(ConfigError, "augment.copy_paste", "masks"):
        for _ in range(20):
            data.train_dataset[0]


def test_without_masks_there_are_boxes(coco: COCO) -> None:
    val = Targets(coco.val_dataset, masks=False)
    data: Any = from_dataset(val, val, classes=CLASSES, augment=AUGMENT, **OPTIONS)
    data.setup("fit")
    assert not data.index("val").has_masks
    with refuses(DataError, "'val' has no masks", "targets of the validation set"):
        data.require_masks("fit")


IMAGE = torch.zeros(3, 40, 50, dtype=torch.uint8)
GOOD = {"boxes": torch.tensor([[1.0, 2.0, 9.0, 8.0]]), "labels": torch.tensor([1])}


def sample_of(target: Any, **options: Any) -> Any:
    pairs = [(IMAGE, GOOD), (IMAGE, target)]
    data: Any = from_dataset(
        pairs, pairs[:1], classes=CLASSES, augment=AUGMENT, **{**OPTIONS, **options}
    )
    data.setup("fit")
    return data.train_dataset.annotated(1)


def test_boxes_of_torchvision_are_converted() -> None:
    boxes = tv_tensors.BoundingBoxes([[1.0, 2.0, 8.0, 6.0]], format="XYWH", canvas_size=(40, 50))  # type: ignore[call-overload]
    found = sample_of({**GOOD, "boxes": boxes})
    np.testing.assert_allclose(found.objects.boxes, GOOD["boxes"].numpy())
    assert found.objects.areas.tolist() == [48]
    assert found.objects.crowd.tolist() == [False]


def test_what_has_no_extent_is_left_out_and_images_may_be_empty() -> None:
    line = {"boxes": torch.tensor([[1.0, 2, 1, 8], [3, 4, 9, 9]]), "labels": torch.tensor([0, 2])}
    assert sample_of(line).objects.labels.tolist() == [2]
    nothing = {"boxes": torch.zeros(0), "labels": torch.zeros(0, dtype=torch.int64)}
    assert sample_of(nothing).objects.boxes.shape == (0, 4)


@pytest.mark.parametrize(
    ("target", "says"),
    [
        (
            [{"bbox": [1, 2, 3, 4], "category_id": 3}],
            ("a list", "wrap_dataset", "vision.data.COCO"),
        ),
        ({"annotation": {}}, ("dict with 'annotation'", "boxes", "labels")),
        ({**GOOD, "labels": torch.tensor([3])}, ("label 3", "0 to 2", "background")),
        ({**GOOD, "labels": torch.tensor([1, 2])}, ("1 boxes and 2 labels",)),
        ({**GOOD, "labels": torch.tensor([1.0])}, ("labels", "float32")),
        ({**GOOD, "boxes": torch.tensor([[30.0, 2, 9, 8]])}, ("[30.0, 2.0, 9.0, 8.0]", "xywh")),
        ({**GOOD, "boxes": torch.tensor([[3.0, 2, 90, 8]])}, ("90.0", "clip_boxes=True")),
        ({**GOOD, "boxes": torch.zeros(1, 5)}, ("(1, 5)", "(M, 4)")),
        ({**GOOD, "masks": torch.zeros(1, 9, 9)}, ("masks", "(1, 9, 9)", "(1, 40, 50)")),
    ],
)
def test_wrong_targets_name_their_sample(target: Any, says: tuple[str, ...]) -> None:
    with refuses(DataError, "sample 1 of the training set", *says):
        sample_of(target)


def test_boxes_are_clipped_on_request() -> None:
    found = sample_of({**GOOD, "boxes": torch.tensor([[3.0, 2, 90, 8]])}, clip_boxes=True)
    assert found.objects.boxes.tolist() == [[3, 2, 50, 8]]
