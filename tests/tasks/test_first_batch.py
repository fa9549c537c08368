from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.height import Height
from helpers.refusals import refuses
from helpers.tiny_detection import random_batch, tiny_detector
from helpers.tiny_models import TINY
from helpers.tiny_segmentation import tiny_segmentor
from lightning import Trainer
from torch import Tensor
from torch.utils.data import DataLoader

from vision.errors import ConfigError, DataError
from vision.tasks import Classification

NAME, OPTIONS = TINY["convnext"]
CLASSES = 4


def trainer(folder: Path, **options: Any) -> Trainer:
    return Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
        **{"max_epochs": 1, "num_sanity_val_steps": 0, **options},
    )


def loader(*batches: Any) -> DataLoader[Any]:
    return DataLoader(batches, batch_size=None)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def classifier() -> Classification:
    return Classification(NAME, CLASSES, backbone_options=OPTIONS)


@pytest.fixture(scope="module")
def detector() -> Any:
    return tiny_detector()


@pytest.fixture(scope="module")
def segmenter() -> Any:
    return tiny_segmentor()


def images(count: int = 2, *size: int) -> Tensor:
    return torch.randint(0, 256, (count, 3, *(size or (32, 32))), dtype=torch.uint8)


GOOD: dict[str, Any] = {"image": images(), "label": torch.tensor([0, 3])}


def test_good_batches_pass(classifier: Classification) -> None:
    soft = torch.tensor([[0.5, 0.5, 0, 0], [0, 0, 0.2, 0.8]])
    for changed in (
        {},
        {"image": images().float()},
        {"image": torch.zeros(2, 3, 32, 32)},
        {"label": soft},
    ):
        classifier.check_batch({**GOOD, **changed}, "train")
    classifier.check_batch({"image": images(), "path": ["a", "b"]}, "predict")
    classifier.check_batch(GOOD, "val")


UNIT = torch.rand(2, 3, 32, 32)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (
            {"image": UNIT},
            ("batch['image']", "float32 (2, 3, 32, 32)", "0..1", "0..255", "ToTensor"),
        ),
        ({"image": (UNIT - 0.5) * 4}, ("batch['image']", "normalised", "leave that out")),
        ({"image": UNIT * 65535}, ("batch['image']", "0..255")),
        ({"image": UNIT * torch.nan}, ("batch['image']", "NaN")),
        (
            {"image": images().permute(0, 2, 3, 1)},
            ("(2, 32, 32, 3)", "(B, 3, H, W)", "permute(0, 3, 1, 2)"),
        ),
        ({"image": images().long()}, ("int64", "uint8")),
        ({"image": [*images()]}, ("batch['image'] is a list", "tensor (B, 3, H, W)")),
        ({"label": torch.tensor([0, 4])}, ("class 4", "0 to 3", "num_classes")),
        ({"label": torch.tensor([1, 4])}, ("class 4", "0 to 3", "from 1", "subtract 1")),
        ({"label": torch.tensor([0, -1])}, ("class -1", "0 to 3")),
        ({"label": torch.tensor([0.0, 1.0])}, ("float32 (2,)", "int64 (2,)", "long()")),
        ({"label": torch.tensor([0, 1], dtype=torch.int32)}, ("int32", "int64", "long()")),
        ({"label": torch.tensor([[0], [1]])}, ("int64 (2, 1)", "squeeze(1)")),
        ({"label": torch.tensor([0, 1, 2])}, ("int64 (3,)", "int64 (2,)")),
        ({"label": [0, 1]}, ("batch['label'] is a list", "int64 (2,)")),
        (
            {"label": torch.tensor([[1, 1, 0, 0], [0, 1, 0, 0]])},
            ("multi-hot", "softmax", "int64 (2, 4)"),
        ),
        ({"label": torch.tensor([[1.0, 1, 0, 0], [0, 1, 0, 0]])}, ("multi-hot", "softmax")),
        ({"label": torch.tensor([[0, 1, 0, 0], [1, 0, 0, 0]])}, ("argmax(dim=1)",)),
    ],
)
def test_what_is_wrong_is_named(
    classifier: Classification, changed: dict[str, Any], says: tuple[str, ...]
) -> None:
    with refuses(DataError, *says):
        classifier.check_batch({**GOOD, **changed}, "train")


def test_a_batch_is_a_dict_with_its_keys(classifier: Classification) -> None:
    with refuses(DataError, "a tuple", "'image'", "vision.data.from_dataset"):
        classifier.check_batch((images(), torch.tensor([0, 1])), "train")
    with refuses(DataError, "no 'label'", "'labels'", "Did you mean"):
        classifier.check_batch({"image": images(), "labels": torch.tensor([0, 1])}, "val")


def test_probabilities_are_for_training_without_mixing(classifier: Classification) -> None:
    soft = {**GOOD, "label": torch.tensor([[0.5, 0.5, 0, 0], [0, 0, 0.2, 0.8]])}
    with refuses(DataError, "float32 (2, 4)", "mixup"):
        classifier.check_batch(soft, "val")
    mixing = Classification(NAME, CLASSES, backbone_options=OPTIONS, mix={"mixup": 0.8})
    with refuses(DataError, "float32 (2, 4)", "mixup"):
        mixing.check_batch(soft, "train")


@pytest.mark.parametrize("stage", ["fit", "validate", "test", "predict"])
def test_the_first_batch_of_each_stage_is_checked(
    classifier: Classification, tmp_path: Path, stage: str
) -> None:
    wrong = loader({**GOOD, "image": UNIT})
    name = {"fit": "training", "validate": "validation", "predict": "prediction"}.get(stage, stage)
    with refuses(DataError, f"the first {name} batch", "0..1"):
        getattr(trainer(tmp_path), stage)(classifier, wrong)


def test_validation_within_a_fit_is_checked_by_itself(
    classifier: Classification, tmp_path: Path
) -> None:
    wrong = loader({**GOOD, "label": torch.tensor([7, 0])})
    with refuses(DataError, "the first validation batch", "class 7"):
        trainer(tmp_path).fit(classifier, loader(GOOD), wrong)


def test_batches_are_looked_at_once(
    classifier: Classification, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    check: Callable[..., None] = Classification.check_batch

    def spy(task: Classification, batch: Any, stage: Any) -> None:
        seen.append(stage)
        check(task, batch, stage)

    monkeypatch.setattr(Classification, "check_batch", spy)
    three = loader(GOOD, GOOD, GOOD)
    trainer(tmp_path, max_epochs=2).fit(classifier, three, three)
    assert sorted(seen) == ["train", "val"]
    trainer(tmp_path).validate(classifier, three, verbose=False)
    assert sorted(seen) == ["train", "val", "val"]


def test_a_task_of_ones_own_has_its_images_checked(tmp_path: Path) -> None:
    batch = {"image": UNIT, "height": torch.zeros(2)}
    with refuses(DataError, "the first training batch", "batch['image']", "0..1"):
        trainer(tmp_path).fit(Height(NAME, backbone_options=OPTIONS), loader(batch))


# Detection


def detection_batch(**changed: Any) -> dict[str, Any]:
    batch: dict[str, Any] = {**random_batch((3, 0)), "image": images(2, 64, 96)}
    target = {**batch["target"][0], **changed}
    return {**batch, "target": [target, batch["target"][1]]}


def test_good_objects_pass(detector: Any) -> None:
    for stage in ("train", "val", "predict"):
        detector.check_batch(detection_batch(), stage)


BOX = [1.0, 2.0, 30.0, 40.0]


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"boxes": torch.tensor([BOX, BOX, [50, 20, 30, 40]])}, ("[50.0, 20.0", "xywh", "corner")),
        (
            {"boxes": torch.tensor([BOX, BOX, [10, 20, 99, 40]])},
            ("[10.0, 20.0", "leaves", "64 x 96"),
        ),
        ({"boxes": torch.tensor([BOX, BOX])}, ("['labels'] is int64 (3,)", "int64 (2,)")),
        ({"boxes": torch.zeros(3, 5)}, ("['boxes'] is float32 (3, 5)", "(M, 4)")),
        ({"boxes": torch.zeros(3, 4).long()}, ("['boxes'] is int64", "float32")),
        ({"boxes": torch.tensor([BOX]) / 100 + torch.zeros(3, 1)}, ("shares", "width, height")),
        (
            {"labels": torch.tensor([1, 2, 3])},
            ("['labels'] has the class 3", "0 to 2", "background"),
        ),
        ({"labels": torch.tensor([0.0, 1, 2])}, ("['labels'] is float32", "long()")),
        ({"iscrowd": torch.tensor([0, 0, 1])}, ("['iscrowd'] is int64", "bool (3,)", ".bool()")),
        ({"masks": torch.zeros(3, 9, 9, dtype=torch.bool)}, ("['masks']", "(3, 64, 96)")),
    ],
)
def test_wrong_objects_are_named(
    detector: Any, changed: dict[str, Any], says: tuple[str, ...]
) -> None:
    with refuses(DataError, "batch['target']", *says):
        detector.check_batch(detection_batch(**changed), "train")


def test_keys_of_targets_and_sizes(detector: Any) -> None:
    batch = detection_batch()
    lacking = {key: value for key, value in batch["target"][0].items() if key != "iscrowd"}
    with refuses(DataError, "batch['target'][0] has no 'iscrowd'"):
        detector.check_batch({**batch, "target": [lacking, batch["target"][1]]}, "train")
    with refuses(DataError, "batch['target'] is a dict", "list of 2 dicts"):
        detector.check_batch({**batch, "target": lacking}, "train")
    with refuses(DataError, "batch['size']", "[128, 96]", "(2, 3, 64, 96)"):
        detector.check_batch({**batch, "size": torch.tensor([[128, 96], [64, 96]])}, "train")
    with refuses(DataError, "no 'image_id'"):
        detector.check_batch({k: v for k, v in batch.items() if k != "image_id"}, "val")


# Segmentation


def segmentation_batch(**changed: Any) -> dict[str, Any]:
    sizes = torch.tensor([[32, 32]] * 2)
    mask = torch.zeros(2, 32, 32, dtype=torch.int64)
    mask[0, :5] = 255
    batch = {"image": images(), "mask": mask, "size": sizes, "original_size": sizes}
    return {**batch, "path": ["a", "b"], **changed}


def test_good_masks_pass(segmenter: Any) -> None:
    for stage in ("train", "val", "predict"):
        segmenter.check_batch(segmentation_batch(), stage)
    larger = segmentation_batch(
        mask=torch.zeros(2, 64, 64, dtype=torch.int64), original_size=torch.tensor([[64, 64]] * 2)
    )
    segmenter.check_batch(larger, "val")


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"mask": torch.full((2, 32, 32), 9)}, ("batch['mask'] has the class 9", "255", "ignored")),
        ({"mask": torch.zeros(2, 1, 32, 32).long()}, ("(2, 1, 32, 32)", "squeeze(1)")),
        ({"mask": torch.zeros(2, 16, 16).long()}, ("(2, 16, 16)", "(2, 32, 32)")),
        ({"mask": torch.zeros(2, 32, 32)}, ("float32", "long()")),
        ({"mask": [1, 2]}, ("batch['mask'] is a list",)),
    ],
)
def test_wrong_masks_are_named(
    segmenter: Any, changed: dict[str, Any], says: tuple[str, ...]
) -> None:
    with refuses(DataError, *says):
        segmenter.check_batch(segmentation_batch(**changed), "train")


def test_evaluation_needs_the_size_of_each_file(segmenter: Any) -> None:
    batch = segmentation_batch()
    with refuses(DataError, "no 'original_size'"):
        segmenter.check_batch({k: v for k, v in batch.items() if k != "original_size"}, "val")
    with refuses(DataError, "batch['original_size']", "int64 (2, 2)"):
        segmenter.check_batch({**batch, "original_size": torch.zeros(2, 3)}, "val")


def test_a_detector_needs_annotations_to_be_evaluated(detector: Any, tmp_path: Path) -> None:
    with refuses(ConfigError, "annotations", "vision.data.from_dataset", "limit_val_batches=0"):
        trainer(tmp_path).validate(detector, loader(detection_batch()))
