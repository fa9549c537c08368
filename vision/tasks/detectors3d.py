"""The detectors of boxes in space by name: their parts and options."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from torch import nn

from vision.backbones.base import Backbone
from vision.errors import ConfigError
from vision.heads.detection3d.monodetr import MonoDETRHead
from vision.heads.detection3d.projections import STRIDES
from vision.losses.monodetr import MonoDETRLoss, MonoDETRLossOptions
from vision.necks.pyramid import complete_pyramid, used_maps
from vision.tasks.parts import build_part


@dataclass(frozen=True)
class Detector3D:
    """A detector of boxes in space, as data.

    Attributes:
        head: Class of the head.
        criterion: Class of the criterion, which is built from its options.
        loss: Class of these options.
        neck: Builds the head's input maps.
        neck_options: Options of the neck.
        head_options: Options of the head.
        loss_options: Options of the criterion.
    """

    head: type[MonoDETRHead]
    criterion: Callable[[Any], nn.Module]
    loss: Callable[..., Any]
    neck: Callable[..., nn.Module] = complete_pyramid
    neck_options: Mapping[str, Any] = field(default_factory=dict)
    head_options: Mapping[str, Any] = field(default_factory=dict)
    loss_options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def builders(self) -> dict[str, Callable[..., Any]]:
        """The class or function that takes each group of options, by name of the group."""
        return {
            "neck_options": self.neck,
            "head_options": self.head,
            "loss_options": self.loss,
        }


DETECTORS3D: dict[str, Detector3D] = {
    "monodetr": Detector3D(
        MonoDETRHead, MonoDETRLoss, MonoDETRLossOptions, neck_options={"strides": STRIDES}
    ),
}


class Detector3DParts(NamedTuple):
    """The parts that `build_detector3d` builds."""

    neck: nn.Module
    head: MonoDETRHead
    criterion: nn.Module


def build_detector3d(
    detector: Detector3D,
    backbone: Backbone,
    *,
    num_classes: int,
    neck_options: Mapping[str, Any],
    head_options: Mapping[str, Any],
    loss_options: Mapping[str, Any],
) -> Detector3DParts:
    """Build neck, head and criterion, which has the head's bins of depth.

    Args:
        detector: The detector.
        backbone: The backbone; maps that the neck does not use are no longer returned.
        num_classes: Number of classes.
        neck_options: Options of the neck that replace the detector's.
        head_options: The same for the head.
        loss_options: The same for the criterion.

    Raises:
        ConfigError: An option is unknown, out of its range, or does not fit the others.
    """
    if "bins" in loss_options:
        raise ConfigError(
            "loss_options.bins are those of the head: set head_options.bins, which both use."
        )
    strides = {**detector.neck_options, **neck_options}.get("strides", STRIDES)
    backbone.keep_outputs(used_maps(backbone.feature_specs, strides))
    specs = backbone.feature_specs
    neck = build_part(detector.neck, specs, "neck_options", detector.neck_options, neck_options)
    named = {**head_options, "num_classes": num_classes}
    head = build_part(
        detector.head, neck.feature_specs, "head_options", detector.head_options, named
    )
    own = {**detector.loss_options, "bins": head.depth_predictor.bins}
    options = build_part(detector.loss, None, "loss_options", own, loss_options)
    return Detector3DParts(neck, head, detector.criterion(options))
