"""The segmentors by name: their parts and options."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from torch import nn

from vision.backbones.base import Backbone
from vision.errors import ConfigError
from vision.heads.segmentation.base import SegmentationHead
from vision.heads.segmentation.fcn import FCNHead
from vision.heads.segmentation.mmseg import MMSegHead, MMSegLoss
from vision.heads.segmentation.segformer import SegFormerHead
from vision.heads.segmentation.semantic_fpn import SemanticFPNHead
from vision.heads.segmentation.upernet import UPerHead
from vision.losses.segmentation import SegmentationLoss
from vision.necks.build import STRIDES, build_neck
from vision.necks.pyramid import complete_pyramid, used_maps
from vision.tasks.parts import build_part


@dataclass(frozen=True)
class Segmentor:
    """A model for semantic segmentation, as data.

    Attributes:
        head: Class of the head.
        neck: Builds the head's input maps.
        neck_options: Options of the neck.
        head_options: Options of the head.
        auxiliary: Whether a second head, an FCN on the map of stride 16, helps training.
    """

    head: type[SegmentationHead]
    neck: Callable[..., nn.Module] = complete_pyramid
    neck_options: Mapping[str, Any] = field(default_factory=dict)
    head_options: Mapping[str, Any] = field(default_factory=dict)
    auxiliary: bool = False

    @property
    def builders(self) -> dict[str, Callable[..., Any]]:
        """The class or function that takes each group of options, by name of the group."""
        return {
            "neck_options": self.neck,
            "head_options": self.head,
            "auxiliary_options": FCNHead,
            "loss_options": SegmentationLoss,
        }


_FPN = {"out_channels": 256, "extra_levels": 0}
SEGMENTORS: dict[str, Segmentor] = {
    "upernet": Segmentor(UPerHead, auxiliary=True),
    "semantic_fpn": Segmentor(SemanticFPNHead, neck=build_neck, neck_options=_FPN),
    "segformer": Segmentor(SegFormerHead),
    # Any decode head of mmsegmentation; head_options.type names it.
    "mmseg": Segmentor(MMSegHead),
}
# The authors of all recipes put the auxiliary head on the third of four maps.
AUXILIARY_STRIDE = 16


class SegmentorParts(NamedTuple):
    """The parts that `build_segmentor` builds."""

    neck: nn.Module
    head: SegmentationHead
    auxiliary: FCNHead | None
    criterion: nn.Module


def build_segmentor(
    segmentor: Segmentor,
    backbone: Backbone,
    *,
    num_classes: int,
    neck_options: Mapping[str, Any],
    head_options: Mapping[str, Any],
    auxiliary_options: Mapping[str, Any],
    loss_options: Mapping[str, Any],
    auxiliary: bool | None,
) -> SegmentorParts:
    """Build neck, heads and criterion.

    Args:
        segmentor: The model.
        backbone: The backbone; maps that the neck does not use are no longer returned.
        num_classes: Number of classes.
        neck_options: Options of the neck that replace the model's.
        head_options: The same for the head.
        auxiliary_options: Options of the auxiliary head.
        loss_options: Options of the criterion.
        auxiliary: Whether there is an auxiliary head; None leaves it to the model.

    Raises:
        ConfigError: An option is unknown, out of its range, or does not fit the others.
    """
    backbone.keep_outputs(used_maps(backbone.feature_specs, STRIDES))
    options = {"strides": STRIDES, **segmentor.neck_options}
    given = {**neck_options, "strides": STRIDES}
    neck = build_part(segmentor.neck, backbone.feature_specs, "neck_options", options, given)
    specs = neck.feature_specs
    named = {**head_options, "num_classes": num_classes}
    head = build_part(segmentor.head, specs, "head_options", segmentor.head_options, named)
    second = None
    if auxiliary and isinstance(head, MMSegHead):
        raise ConfigError(
            "a head of mmsegmentation brings its auxiliary head along: set head_options.auxiliary "
            "in place of auxiliary, to true or to the config of a head."
        )
    if segmentor.auxiliary if auxiliary is None else auxiliary:
        level = [spec.stride for spec in specs].index(AUXILIARY_STRIDE)
        own = {"in_index": level, "align_corners": head.align_corners}
        named = {**auxiliary_options, "num_classes": num_classes}
        second = build_part(FCNHead, specs, "auxiliary_options", own, named)
    elif auxiliary_options:
        raise ConfigError(
            f"auxiliary_options={dict(auxiliary_options)} are for an auxiliary head, which this "
            "model lacks. Set auxiliary: true, or leave them out."
        )
    return SegmentorParts(neck, head, second, _build_loss(head, loss_options))


def _build_loss(head: SegmentationHead, loss_options: Mapping[str, Any]) -> nn.Module:
    if not isinstance(head, MMSegHead):
        own = {"align_corners": head.align_corners}
        return build_part(SegmentationLoss, None, "loss_options", own, loss_options)
    if loss_options:
        raise ConfigError(
            f"loss_options={dict(loss_options)} are for the losses of this suite; a head of "
            "mmsegmentation has its own. Set head_options.loss_decode, with its names."
        )
    return MMSegLoss(head)
