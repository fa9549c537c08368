from types import SimpleNamespace
from typing import Any

import torch
from helpers.tiny_detection import random_batch, tiny_detector

from vision.callbacks.results.detection_records import DetectionRecorder
from vision.metrics.coco.table import CocoResult


@torch.inference_mode()
def test_the_predictions_are_those_of_the_tasks_evaluator() -> None:
    task: Any = tiny_detector(detector="fcos", head_options={"score_threshold": 0.0}).eval()
    batch = random_batch()
    predictions = task.evaluate("val", task.run(batch), batch)
    task.coco_result = CocoResult(stats={})
    recorder = DetectionRecorder()
    recorder.begin(SimpleNamespace(), task, None)  # type: ignore[arg-type]
    record = recorder.finish(SimpleNamespace(), task)  # type: ignore[arg-type]
    assert list(record.found) == batch["image_id"].tolist()
    expected = task.head.predict(task.run(batch), batch["size"], batch["original_size"])
    assert [one["scores"].tolist() for one in predictions] == [
        one["scores"].tolist() for one in expected
    ]
    for found, one in zip(record.found.values(), expected, strict=True):
        assert found.scores.tolist() == one["scores"].tolist()
        assert len(found.boxes) > 0
    assert record.result is task.coco_result
