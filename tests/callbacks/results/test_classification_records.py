from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from helpers.tiny_task import random_images, random_labels, tiny_task

from vision.callbacks.results import classification_records
from vision.callbacks.results.classification_records import (
    ClassificationRecord,
    ClassificationRecorder,
)
from vision.callbacks.results.evaluated import Evaluated
from vision.metrics import processes

TRAINER: Any = SimpleNamespace(world_size=1)
IMAGES = 6


def batch_of(places: list[int]) -> dict[str, Any]:
    return {
        "image": random_images(IMAGES)[places].float(),
        "label": random_labels(IMAGES)[places],
        "index": torch.tensor(places),
    }


def take(task: Any, *batches: list[int]) -> ClassificationRecorder:
    recorder = ClassificationRecorder()
    recorder.begin(TRAINER, task, range(IMAGES))
    for places in batches:
        batch = batch_of(places)
        with torch.inference_mode():
            found = task.evaluate("val", task.run(batch), batch)
            recorder.take(task, Evaluated(batch, found, batch["index"]))
    return recorder


def test_scores_are_those_of_the_task() -> None:
    task = tiny_task().eval()
    record = take(task, [3, 0, 5], [1, 4]).finish(TRAINER, task)
    assert record.place.tolist() == [0, 1, 3, 4, 5]
    batch = batch_of([0, 1, 3, 4, 5])
    with torch.inference_mode():
        scores = task.run(batch)["logits"].softmax(dim=1).numpy()
    np.testing.assert_allclose(record.scores, scores, atol=1e-6)
    np.testing.assert_allclose(record.confidence, scores.max(axis=1), atol=1e-6)
    assert record.predicted.tolist() == scores.argmax(axis=1).tolist()
    assert record.label.tolist() == batch["label"].tolist()
    expected = scores[np.arange(5), record.label]
    np.testing.assert_allclose(record.true_score, expected, atol=1e-6)


def test_large_sets_keep_the_scores_of_some_images(monkeypatch: pytest.MonkeyPatch) -> None:
    task = tiny_task().eval()
    monkeypatch.setattr(classification_records, "MAX_SCORES", 8 * IMAGES // 2)
    record = take(task, [0, 1, 2, 3, 4, 5]).finish(TRAINER, task)
    assert record.place[record.sampled].tolist() == [0, 2, 4]
    assert record.scores.shape == (3, 8)
    assert len(record.label) == IMAGES


def test_images_of_several_processes_count_once(monkeypatch: pytest.MonkeyPatch) -> None:
    task = tiny_task().eval()
    whole = take(task, [0, 1, 2, 3]).finish(TRAINER, task)
    one, other = take(task, [0, 1, 2]), take(task, [2, 3])
    shares = iter([(one._rows, other._rows), (one._scores, other._scores)])

    def both(share: Any) -> list[Any]:
        _, theirs = next(shares)
        return [share, theirs if isinstance(theirs, dict) else np.concatenate(theirs)]

    for module in (classification_records, processes):
        monkeypatch.setattr(module, "gather_shares", both)
    merged = one.finish(TRAINER, task)
    for name in ClassificationRecord._fields:
        np.testing.assert_allclose(getattr(merged, name), getattr(whole, name), atol=1e-6)
