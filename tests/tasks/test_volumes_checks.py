"""What the first batch of volumes needs."""

from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_volume_task import evaluation_batch, random_batch, tiny_volumes

from vision.errors import DataError
from vision.tasks.volumes import VolumeSegmentation


@pytest.fixture(scope="module")
def task() -> VolumeSegmentation:
    return tiny_volumes()


def test_whole_batches_pass(task: VolumeSegmentation) -> None:
    task.check_batch(random_batch(), "train")
    task.check_batch(evaluation_batch(), "val")
    batch: Any = evaluation_batch()
    del batch["mask"]
    task.check_batch(batch, "predict")


NAN = torch.full((2, 2, 8, 8, 16), torch.nan)
LABELS = torch.full((2, 8, 8, 16), 7, dtype=torch.uint8)


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"volume": torch.zeros(2, 8, 8, 16)}, ["batch['volume']", "(B, 2, D, H, W)"]),
        ({"volume": torch.zeros(2, 8, 8, 16, 2)}, ["batch['volume']", "permute(0, 4, 1, 2, 3)"]),
        ({"volume": torch.zeros(2, 2, 8, 8, 16).int()}, ["batch['volume']", "int32"]),
        ({"volume": NAN}, ["batch['volume']", "NaN"]),
        ({"size": torch.tensor([[8, 8]] * 2)}, ["batch['size']", "int64 (2, 3)"]),
        ({"size": torch.tensor([[8, 8, 17]] * 2)}, ["batch['size']", "[8, 8, 17]"]),
        ({"mask": LABELS}, ["batch['mask']", "class 7", "label_values"]),
        ({"mask": LABELS.long()}, ["batch['mask']", "int64", "expected uint8"]),
        ({"mask": LABELS[:, None]}, ["batch['mask']", "squeeze(1)"]),
        ({"mask": LABELS[:, :4]}, ["batch['mask']", "(2, 8, 8, 16)"]),
    ],
)
def test_training_batches_that_do_not_fit(
    task: VolumeSegmentation, changes: dict[str, Any], parts: list[str]
) -> None:
    with refuses(DataError, *parts):
        task.check_batch({**random_batch(), **changes}, "train")


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"affine": torch.eye(4)}, ["batch['affine']", "(2, 4, 4)"]),
        ({"original_size": torch.ones(2, 3)}, ["batch['original_size']", "int64 (2, 3)"]),
        ({"original_size": torch.tensor([[99, 9, 9]] * 2)}, ["batch['mask']", "d, h, w"]),
        ({"subject": ["first"]}, ["batch['subject']", "2 texts"]),
        ({"path": None}, ["batch['path']", "NoneType"]),
    ],
)
def test_evaluation_batches_that_do_not_fit(
    task: VolumeSegmentation, changes: dict[str, Any], parts: list[str]
) -> None:
    with refuses(DataError, *parts):
        task.check_batch({**evaluation_batch(), **changes}, "val")
