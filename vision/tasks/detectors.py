"""The detectors by name: their parts, and the options that papers or recipes fix."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from vision.backbones.base import Backbone
from vision.errors import ConfigError
from vision.heads.detection.base import DetectionHead
from vision.heads.detection.dino import DINOHead
from vision.heads.detection.fcos import FCOSHead
from vision.heads.detection.retinanet import RetinaNetHead
from vision.heads.detection.two_stage import CASCADE, TwoStage
from vision.losses.dino import DINOLoss
from vision.losses.fcos import FCOSLoss
from vision.losses.retinanet import RetinaNetLoss
from vision.losses.two_stage import TwoStageLoss
from vision.necks.build import STRIDES, build_neck
from vision.necks.pyramid import complete_pyramid, used_maps
from vision.tasks.parts import build_part


@dataclass(frozen=True)
class Detector:
    """A detector, as data.

    Attributes:
        head: Class of the head.
        criterion: Class of the criterion.
        neck: Builds the head's input maps.
        neck_options: Options of the neck.
        head_options: Options of the head.
        loss_options: Options of the criterion.
        shared: Attributes of the head that are options of the criterion too.
    """

    head: type[DetectionHead]
    criterion: type[nn.Module]
    neck: Callable[..., nn.Module] = build_neck
    neck_options: Mapping[str, Any] = field(default_factory=dict)
    head_options: Mapping[str, Any] = field(default_factory=dict)
    loss_options: Mapping[str, Any] = field(default_factory=dict)
    shared: tuple[str, ...] = ()

    @property
    def builders(self) -> dict[str, Callable[..., Any]]:
        """The class or function that takes each group of options, by name of the group."""
        return {
            "neck_options": self.neck,
            "head_options": self.head,
            "loss_options": self.criterion,
        }


# Strides 8 to 128 instead of 4 to 64.
_COARSE = {"strides": (8, 16, 32), "extra_levels": 2}
# mmdetection's base config of Mask R-CNN, which the authors of the backbones use; Faster R-CNN
# differs only in allow_low_quality.
DETECTORS: dict[str, Detector] = {
    "faster_rcnn": Detector(
        TwoStage, TwoStageLoss, head_options={"masks": False}, shared=("classifier",)
    ),
    "mask_rcnn": Detector(
        TwoStage, TwoStageLoss, head_options={"allow_low_quality": True}, shared=("classifier",)
    ),
    # The authors of Swin call it "giou_4conv1f"; ConvNeXt, HorNet and RMT have it too.
    "cascade_mask_rcnn": Detector(
        TwoStage,
        TwoStageLoss,
        head_options={
            "stages": CASCADE,
            "box_head": "4conv1fc",
            "rpn": {"allowed_border": 0, "post_nms_topk_train": 2000},
        },
        loss_options={"box_loss": "giou", "box_loss_weight": 10.0, "rpn_smooth_l1_beta": 1 / 9},
        shared=("classifier",),
    ),
    "retinanet": Detector(
        RetinaNetHead, RetinaNetLoss, neck_options={**_COARSE, "extra": "conv_input"}
    ),
    "fcos": Detector(FCOSHead, FCOSLoss, neck_options={**_COARSE, "extra": "conv_output"}),
    "dino": Detector(
        DINOHead, DINOLoss, neck=complete_pyramid, neck_options={"strides": (8, 16, 32)}
    ),
    # Numbers of "Mask DINO", Li et al., 2022, by its authors' config for COCO.
    "mask_dino": Detector(
        DINOHead,
        DINOLoss,
        neck=complete_pyramid,
        head_options={
            "masks": True,
            "num_queries": 300,
            "max_per_image": 100,
            "design": {"decoder_depth": 9},
        },
        loss_options={"class_weight": 4.0, "matching": {"classes": 4.0}},
    ),
}


def build_detector(
    detector: Detector,
    backbone: Backbone,
    *,
    num_classes: int,
    neck_options: Mapping[str, Any],
    head_options: Mapping[str, Any],
    loss_options: Mapping[str, Any],
) -> tuple[nn.Module, DetectionHead, nn.Module]:
    """Build neck, head and criterion.

    Args:
        detector: The detector.
        backbone: The backbone; maps that the neck does not use are no longer returned.
        num_classes: Number of classes.
        neck_options: Options of the neck that replace the detector's.
        head_options: The same for the head.
        loss_options: The same for the criterion.

    Raises:
        ConfigError: An option is unknown or out of its range.
    """
    strides = {**detector.neck_options, **neck_options}.get("strides", STRIDES)
    used = used_maps(backbone.feature_specs, strides)
    if used[-1] != len(backbone.feature_specs) - 1:
        last = backbone.feature_specs[-1].stride
        raise ConfigError(
            f"neck_options.strides={[*strides]} leaves out the backbone's last map, of stride "
            f"{last}, which would be computed for nothing. Go on to {last}, or end the backbone "
            "earlier with backbone_options.out_indices."
        )
    backbone.keep_outputs(used)
    specs = backbone.feature_specs
    neck = build_part(detector.neck, specs, "neck_options", detector.neck_options, neck_options)
    named = {**head_options, "num_classes": num_classes}
    head = build_part(
        detector.head, neck.feature_specs, "head_options", detector.head_options, named
    )
    own = {**detector.loss_options, **{name: getattr(head, name) for name in detector.shared}}
    for name in detector.shared:
        if loss_options.get(name, own[name]) != own[name]:
            raise ConfigError(
                f"loss_options.{name}={loss_options[name]!r} differs from the head's "
                f"{own[name]!r}; set head_options.{name} alone."
            )
    loss = build_part(detector.criterion, None, "loss_options", own, loss_options)
    return neck, head, loss
