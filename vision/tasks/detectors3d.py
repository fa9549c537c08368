"""The detectors of boxes in space by name, and their parts."""

from collections.abc import Mapping
from typing import Any

from vision.backbones.base import Backbone
from vision.errors import ConfigError
from vision.heads.detection3d.monodetr import STRIDES, MonoDETRHead
from vision.losses.monodetr import MonoDETRLoss, MonoDETRLossOptions
from vision.tasks.decoders import Decoder, DecoderParts, build_parts

DETECTORS3D: dict[str, Decoder[MonoDETRHead]] = {
    "monodetr": Decoder(
        head=MonoDETRHead,
        criterion=MonoDETRLoss,
        loss=MonoDETRLossOptions,
        neck_options={"strides": STRIDES},
    ),
}


def build_detector3d(
    detector: Decoder[MonoDETRHead],
    backbone: Backbone,
    *,
    num_classes: int,
    neck_options: Mapping[str, Any],
    head_options: Mapping[str, Any],
    loss_options: Mapping[str, Any],
) -> DecoderParts[MonoDETRHead]:
    """Build neck, head and criterion, which has the head's bins of depth; as `build_parts`.

    Raises:
        ConfigError: The criterion is given bins of its own, or as for `build_parts`.
    """
    if "bins" in loss_options:
        raise ConfigError(
            "loss_options.bins are those of the head: set head_options.bins, which both use."
        )
    return build_parts(
        detector,
        backbone,
        num_classes=num_classes,
        neck_options=neck_options,
        head_options=head_options,
        loss_options=loss_options,
        shared=lambda head: {"bins": head.depth_predictor.bins},
    )
