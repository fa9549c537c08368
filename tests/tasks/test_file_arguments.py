"""Arguments from a file have to be what the constructors' annotations say."""

from typing import Any

import pytest
from helpers.refusals import refuses
from helpers.tiny_detection import tiny_detector
from helpers.tiny_segmentation import tiny_segmentor
from helpers.tiny_task import tiny_task

from vision.backbones.registry import backbone_class, list_backbones
from vision.errors import ConfigError
from vision.heads.segmentation.mmseg import MMSegHead
from vision.tasks import Classification, Detection, Segmentation
from vision.tasks.base import BaseTask
from vision.tasks.file_arguments import file_arguments


@pytest.mark.parametrize(
    "task",
    [
        tiny_task(ema_decay=0.9),
        tiny_detector(detector="cascade_mask_rcnn"),
        tiny_detector(detector="fcos"),
        tiny_segmentor("cvt", inference={"mode": "slide"}),
    ],
)
def test_what_tasks_write_is_taken(task: BaseTask) -> None:
    given = task.describe()["hyper_parameters"]
    found = file_arguments(type(task), given)
    assert found.items() <= given.items()
    assert not {"optim", "mix", "pretrained", "weights", "loss_options"} & found.keys()
    kept = file_arguments(type(task), given, training=True)
    assert kept["optim"] == given["optim"]


def test_options_of_every_published_backbone_are_taken() -> None:
    from vision.backbones.registry import variant_options

    for name in list_backbones():
        family = name.partition("_")[0]
        options = {k: v for k, v in variant_options(name).items() if k != "default_input"}
        given = {"backbone": family, "backbone_options": options}
        assert file_arguments(Classification, given) == given


@pytest.mark.parametrize(
    ("task", "given", "message"),
    [
        (Classification, {"colour": 1}, ("colour", "options", "backbone")),
        (Classification, {"backbone": "os.system"}, ("backbone", "'os.system'")),
        (Classification, {"backbone": "timm/resnet18@x"}, ("model", "'resnet18@x'")),
        (Classification, {"backbone": "timm/resnet18.hf-hub:a/b"}, ("timm", "model")),
        (Classification, {"backbone_options": [1]}, ("backbone_options", "list")),
        (Classification, {"backbone_options": {"pretrained": True}}, ("backbone_options",)),
        (Classification, {"num_classes": 2.5}, ("num_classes=2.5", "value")),
        (Classification, {"mean": [float("nan")]}, ("mean=[nan]",)),
        (Detection, {"detector": "x"}, ("detector='x'",)),
        (Detection, {"head_options": {"rpn": {"x": 1}}}, ("head_options.rpn=",)),
        (Detection, {"neck_options": {"out_channels": 2**20}}, ("beyond 65,536",)),
        (Segmentation, {"segmentor": ["mmseg"]}, ("segmentor", "list")),
        (Segmentation, {"inference": {"mode": "os.system"}}, ("inference=",)),
        (Segmentation, {"segmentor": "mmseg", "head_options": {"type": "A.B"}}, ("type='A.B'",)),
        (
            Segmentation,
            {"segmentor": "mmseg", "head_options": {"type": "FCNHead", "channels": 2**20}},
            ("beyond 65,536",),
        ),
    ],
)
def test_other_values_are_refused(
    task: Any, given: dict[str, Any], message: tuple[str, ...]
) -> None:
    with refuses(ConfigError, *message):
        file_arguments(task, given)


def test_heads_of_mmsegmentation_come_without_losses() -> None:
    head = {"type": "FCNHead", "loss_decode": {"type": "x"}, "train_cfg": {"a": "b"}, "channels": 8}
    found = file_arguments(Segmentation, {"segmentor": "mmseg", "head_options": head})
    assert found["head_options"] == {"type": "FCNHead", "channels": 8, "losses": False}
    assert MMSegHead.__init__.__kwdefaults__["losses"] is True


def test_parameters_of_a_class_of_ones_own_are_its_affair() -> None:
    class Mine(Classification):
        def __init__(self, *, note: str, **options: Any) -> None:
            super().__init__(**options)

    assert file_arguments(Mine, {"note": "text"}) == {"note": "text"}


def test_classes_of_backbones_are_found_without_building() -> None:
    assert backbone_class("swin_tiny").__name__ == "Swin"
    assert backbone_class("timm/resnet18.a1_in1k").__name__ == "TimmBackbone"
