"""What is exported, and the size of its images: its own before that of its backbone."""

from types import SimpleNamespace
from typing import Any

from helpers.tiny_detection import tiny_detector
from helpers.tiny_segmentation import tiny_segmentor
from helpers.tiny_task import tiny_task

from vision.export.source import Source, backbone_of, named_backbone
from vision.export.whole import whole_model


def test_the_size_is_that_of_the_training() -> None:
    def size_of(task: Any, description: dict[str, Any]) -> tuple[int, int]:
        return Source(whole_model(task), task, description).default_size()

    trained = {"input": {"size": (224, 288)}}
    sides = {**trained, "preprocessing": {"short_side": 800, "long_side": 1333}}
    segmentor = tiny_segmentor()
    assert size_of(segmentor, {}) == (224, 224)
    assert size_of(segmentor, trained) == (224, 288)
    assert size_of(segmentor, sides) == (224, 288)
    assert size_of(segmentor, {**trained, "preprocessing": {"image_size": 64}}) == (64, 64)
    assert size_of(segmentor, {"preprocessing": {"image_size": [32, 48]}}) == (32, 48)
    assert size_of(tiny_detector(), sides) == (1344, 1344)


def test_a_backbone_by_name_has_its_published_input() -> None:
    source = named_backbone(
        "convnext_tiny",
        pretrained=False,
        weights=None,
        outputs="embedding",
        include_normalisation=False,
    )
    assert source.default_size() == source.module.default_input.size
    assert source.graph.first.normalised


def test_the_backbone_of_a_task_may_take_pixels() -> None:
    task = tiny_task()
    model = SimpleNamespace(task=task, description=task.describe())
    source = backbone_of(model, outputs="features", include_normalisation=True)
    assert source.module is task.backbone
    assert not source.graph.first.normalised
