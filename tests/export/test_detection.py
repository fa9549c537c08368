import torch
from helpers.refusals import refuses
from helpers.tiny_detection import tiny_detector
from helpers.tiny_task import random_images

from vision.errors import ConfigError
from vision.export.detection import DetectionGraph


@torch.no_grad()
def test_filled_places_are_the_predictions_of_the_task() -> None:
    task = tiny_detector(detector="retinanet", head_options={"score_threshold": 0.005}).eval()
    images = random_images(1, side=64)
    graph = DetectionGraph(task)
    found, (expected,) = graph.named(graph(images)), task(images)
    count = int(found["count"])
    assert 0 < count == len(expected["boxes"])
    for name in ("boxes", "scores", "labels"):
        torch.testing.assert_close(found[name][0, :count], expected[name])
    assert set(graph.fixed) == {"batch", "size"}


def test_a_detector_has_no_logits() -> None:
    with refuses(ConfigError, "a detector", "not logits", "leave logits out"):
        DetectionGraph(tiny_detector(detector="fcos"), logits=True)
