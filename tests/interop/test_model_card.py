"""The model card: read again by the hub's own library, and the facts that it may state."""

from typing import Any

import pytest
from helpers.tiny_task import tiny_task
from huggingface_hub import ModelCard

from vision.contracts.models import ModelDescription
from vision.interop.model_card import CardOptions, model_card


def described(**changes: Any) -> ModelDescription:
    description = tiny_task(class_names=[f"class {i}" for i in range(8)]).describe()
    return {**description, **changes}  # type: ignore[typeddict-item]


DETECTOR: dict[str, Any] = {
    "task": "Detection",
    "kind": "detection",
    "backbone": "swin_tiny",
    "pretrained": True,
    "data": "vision.data.datasets.coco.Coco",
    "metrics": {"val/box_AP": 0.4375, "val/mask_AP": 0.25, "val/loss": 1.5},
    "hyper_parameters": {"detector": "mask_rcnn", "num_classes": 8},
    "averaged": True,
}


def test_the_front_matter_is_what_the_hub_reads() -> None:
    card = ModelCard(
        model_card(described(**DETECTOR), CardOptions(licence="apache-2.0", dataset="coco"))
    )
    data = card.data
    assert data.license == "apache-2.0"
    assert data.library_name == "vision-suite"
    assert data.pipeline_tag == "object-detection"
    assert data.datasets == ["coco"]
    assert {"mask_rcnn", "swin_tiny", "instance-segmentation"} <= set(data.tags)
    assert data.metrics == ["map"]
    assert data.model_name == "swin_tiny mask_rcnn detection"
    found = [(r.metric_name, r.metric_value, r.dataset_split) for r in data.eval_results]
    assert found == [("box AP", 0.4375, "validation"), ("mask AP", 0.25, "validation")]
    assert {r.task_type for r in data.eval_results} == {"object-detection"}


def test_the_text_states_what_is_known() -> None:
    text = model_card(described(**DETECTOR), CardOptions(dataset="coco", has_config=True))
    assert "| val/box_AP | 0.4375 |" in text
    assert "Validation results of this checkpoint (epoch " in text
    assert "last validation" not in text
    assert "8 classes by index: class 0, class 1" in text
    assert "published weights of `swin_tiny`" in text
    assert "MIT" in text
    for paper in ("2103.14030", "1703.06870", "1612.03144"):
        assert f"https://arxiv.org/abs/{paper}" in text
    assert "EMA" in text
    assert "config.yaml" in text
    assert "mean 0.485, 0.456, 0.406" in text


def test_what_is_not_known_is_not_made_up() -> None:
    unknown = described(class_names=None, data=None, metrics={"val/top1": 0.5})
    text = model_card(unknown, CardOptions())
    data = ModelCard(text).data
    assert data.license is None
    assert data.datasets is None
    # A result is one of a dataset.
    assert data.eval_results is None
    assert "Not stated by the author" in text
    assert "Data: not stated." in text
    assert "8, whose names are not stated" in text
    assert "random weights" in text
    none = model_card(described(metrics={}), CardOptions())
    assert "states none" in none


def test_a_model_without_classes_has_no_word_about_them() -> None:
    bare = described(kind="depth", class_names=None, hyper_parameters={"decoder": "dpt"})
    text = model_card(bare, CardOptions(dataset="rooms"))
    assert "## Data\n\nData: rooms.\n\n## Results" in text
    assert "lasses" not in text


def test_paths_of_the_author_are_not_shown() -> None:
    told = described(pretrained="/home/me/secret.pth", weights=None)
    told["hyper_parameters"] = {**told["hyper_parameters"], "pretrained": "/home/me/secret.pth"}
    assert "secret" not in model_card(told, CardOptions())


@pytest.mark.parametrize(
    ("metric", "kind", "expected"),
    [
        ("val/top1", "classification", ("image-classification", "accuracy")),
        ("test/mIoU", "segmentation", ("image-segmentation", "mean_iou")),
        ("val/abs_rel", "depth", ("depth-estimation", "abs_rel")),
        ("val/mean", "normals", ("depth-estimation", "mean_angle")),
        ("val/AP_3D", "detection3d", ("object-detection", "map")),
    ],
)
def test_every_kind_of_task(metric: str, kind: str, expected: tuple[str, str]) -> None:
    card = model_card(described(kind=kind, metrics={metric: 0.5}), CardOptions(dataset="mine"))
    (result,) = ModelCard(card).data.eval_results
    assert (result.task_type, result.metric_type) == expected
    assert result.metric_value == 0.5
    assert ('model.predict("image.jpg", camera="FILE")' in card) == (kind == "detection3d")
