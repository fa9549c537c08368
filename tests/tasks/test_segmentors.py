"""The models by name, and what is said of wrong options."""

from typing import Any

import pytest
from helpers.refusals import refuses
from helpers.tiny_models import TINY
from helpers.tiny_segmentation import tiny_segmentor

from vision.errors import ConfigError
from vision.heads.segmentation.fcn import FCNHead
from vision.tasks.segmentation import Segmentation


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"segmentor": "upernett"}, ("'upernet'",)),
        ({"head_options": {"chanels": 8}}, ("head_options.chanels", "'channels'")),
        ({"neck_options": {"chanels": 8}}, ("neck_options.chanels",)),
        ({"loss_options": {"term": 1}}, ("loss_options.term", "'terms'")),
        ({"auxiliary_options": {"num_conv": 1}}, ("auxiliary_options.num_conv", "'num_convs'")),
        ({"auxiliary": False, "auxiliary_options": {"num_convs": 1}}, ("auxiliary: true",)),
        ({"inference": {"mod": "slide"}}, ("inference.mod", "'mode'")),
        ({"segmentor": "mmseg", "head_options": {"type": "PSPHeda"}}, ("PSPHead",)),
        (
            {"segmentor": "mmseg", "head_options": {"type": "PSPHead"}, "auxiliary": True},
            ("head_options.auxiliary",),
        ),
        (
            {
                **{"segmentor": "mmseg", "head_options": {"type": "PSPHead"}},
                "loss_options": {"terms": {}},
            },
            ("head_options.loss_decode",),
        ),
    ],
)
def test_a_wrong_option_is_named_with_the_right_one(
    options: dict[str, Any], named: tuple[str, ...]
) -> None:
    if options.get("segmentor") == "mmseg":
        pytest.importorskip("mmseg")
    with refuses(ConfigError, *named):
        Segmentation("convnext", backbone_options=TINY["convnext"][1], **options)


def test_an_auxiliary_head_is_an_option_of_every_model() -> None:
    assert tiny_segmentor(segmentor="segformer").auxiliary is None
    with_one = tiny_segmentor(segmentor="segformer", auxiliary=True)
    assert isinstance(with_one.auxiliary, FCNHead)
    assert tiny_segmentor(auxiliary=False, auxiliary_options=None).auxiliary is None


@pytest.mark.parametrize("family", ["cvt", "tnt"])
def test_a_backbone_of_few_maps_is_completed(family: str) -> None:
    task = tiny_segmentor(family)
    assert [spec.stride for spec in task.neck.feature_specs] == [4, 8, 16, 32]


def test_align_corners_of_the_head_is_that_of_its_losses() -> None:
    task = tiny_segmentor(head_options={"channels": 16, "align_corners": True})
    assert task.auxiliary is not None
    assert task.auxiliary.align_corners is task.criterion.align_corners is True
