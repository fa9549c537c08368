"""What is said of batches that do not fit, each with its key and what is expected."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_detection3d import evaluation_batch, random_batch, tiny_detection3d

from vision.errors import DataError
from vision.tasks.detection3d import Detection3D


@pytest.fixture(scope="module")
def task() -> Detection3D:
    return tiny_detection3d()


def as_read(batch: Any) -> Any:
    return {**batch, "image": torch.zeros_like(batch["image"], dtype=torch.uint8)}


def put(batch: Any, path: tuple[str | int, ...], change: Callable[[Any], Any]) -> None:
    *most, last = path
    for key in most:
        batch = batch[key]
    batch[last] = change(batch[last])


def test_a_good_batch_passes(task: Detection3D) -> None:
    task.check_batch(as_read(random_batch()), "train")
    task.check_batch(as_read(random_batch(objects=0)), "train")
    task.check_batch(as_read(evaluation_batch()), "val")
    task.check_batch(as_read(evaluation_batch()), "predict")


@pytest.mark.parametrize(
    ("path", "change", "words"),
    [
        (("camera",), lambda c: c[:, :, :3], ("'camera'", "(2, 3, 4)", "P2")),
        (("camera",), lambda c: c * torch.nan, ("'camera'", "NaN", "P2")),
        (("camera",), lambda c: -c, ("'camera'", "-700", "focal")),
        (("camera_size",), lambda s: s[:, 0], ("'camera_size'", "(2, 2)")),
        (("size",), lambda s: s - 1, ("'size'", "one size")),
        (("target",), lambda t: t[:1], ("'target'", "2 dicts")),
        (("target", 0), lambda t: {"labels": t["labels"]}, ("['target'][0]", "'boxes'")),
        (("target", 0, "labels"), lambda n: n + 2, ("['labels']", "from 0 to 2")),
        (("target", 0, "labels"), lambda n: n.float(), ("['labels']", "int64")),
        (("target", 0, "boxes"), lambda b: b[:, :4], ("['boxes']", "(1, 6)")),
        (("target", 0, "depth_m"), lambda d: -d, ("['depth_m']", "above 0")),
        (("target", 0, "alpha"), lambda a: a / 0, ("['alpha']", "finite")),
    ],
)
def test_training_batches(
    task: Detection3D, path: tuple[str | int, ...], change: Any, words: tuple[str, ...]
) -> None:
    batch = as_read(random_batch())
    put(batch, path, change)
    with refuses(DataError, *words):
        task.check_batch(batch, "train")


@pytest.mark.parametrize(
    ("path", "change", "words"),
    [
        (("truth",), lambda t: t[0], ("'truth'", "2 dicts")),
        (("truth", 0, "boxes3d"), lambda b: b[:1], ("['boxes3d']", "(2, 7)")),
        (("truth", 1, "names"), lambda n: [*n, "Car"], ("['names']", "2 entries", "1 labels")),
        (("truth", 1, "boxes"), lambda b: b / 0, ("['boxes']", "finite")),
    ],
)
def test_evaluation_batches(
    task: Detection3D, path: tuple[str | int, ...], change: Any, words: tuple[str, ...]
) -> None:
    batch = as_read(evaluation_batch())
    put(batch, path, change)
    with refuses(DataError, *words):
        task.check_batch(batch, "val")
    del batch["truth"]
    with refuses(DataError, "'truth'"):
        task.check_batch(batch, "val")
