"""The decoders of depth and of surface normals by name: their parts and options."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from torch import nn

from vision.backbones.base import Backbone
from vision.heads.depth.dpt import DPTHead
from vision.heads.depth.readout import Readout
from vision.heads.mask_transformer.polymax import PolyMaXHead
from vision.losses.dense import DenseLoss, DepthLoss, NormalsLoss
from vision.necks.build import STRIDES
from vision.necks.pyramid import complete_pyramid, used_maps
from vision.tasks.parts import build_part

DenseHead = DPTHead | PolyMaXHead


@dataclass(frozen=True)
class DenseDecoder:
    """What turns the maps of a backbone into values of pixels, as data.

    Attributes:
        head: Class of the head.
        loss: Class of the criterion.
        neck: Builds the head's input maps.
        neck_options: Options of the neck.
        head_options: Options of the head.
    """

    head: type[DenseHead]
    loss: type[DenseLoss]
    neck: Callable[..., nn.Module] = complete_pyramid
    neck_options: Mapping[str, Any] = field(default_factory=dict)
    head_options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def builders(self) -> dict[str, Callable[..., Any]]:
        """The class or function that takes each group of options, by name of the group."""
        return {
            "neck_options": self.neck,
            "head_options": self.head,
            "loss_options": self.loss,
        }


DEPTH_DECODERS: dict[str, DenseDecoder] = {
    "dpt": DenseDecoder(DPTHead, DepthLoss),
    "polymax": DenseDecoder(PolyMaXHead, DepthLoss),
}
NORMALS_DECODERS: dict[str, DenseDecoder] = {
    name: replace(decoder, loss=NormalsLoss) for name, decoder in DEPTH_DECODERS.items()
}


class DenseParts(NamedTuple):
    """The parts that `build_decoder` builds."""

    neck: nn.Module
    head: DenseHead
    criterion: DenseLoss


def build_decoder(
    decoder: DenseDecoder,
    backbone: Backbone,
    *,
    readout: Readout,
    neck_options: Mapping[str, Any],
    head_options: Mapping[str, Any],
    loss_options: Mapping[str, Any],
    limits: Mapping[str, float],
) -> DenseParts:
    """Build neck, head and criterion.

    Args:
        decoder: The decoder.
        backbone: The backbone; maps that the neck does not use are no longer returned.
        readout: What the outputs of the head stand for.
        neck_options: Options of the neck that replace the decoder's.
        head_options: The same for the head.
        loss_options: Options of the criterion.
        limits: Other options of the criterion that follow from the task's.

    Raises:
        ConfigError: An option is unknown, out of its range, or does not fit the others.
    """
    backbone.keep_outputs(used_maps(backbone.feature_specs, STRIDES))
    options = {"strides": STRIDES, **decoder.neck_options}
    given = {**neck_options, "strides": STRIDES}
    neck = build_part(decoder.neck, backbone.feature_specs, "neck_options", options, given)
    named = {**head_options, "readout": readout}
    head = build_part(decoder.head, neck.feature_specs, "head_options", decoder.head_options, named)
    criterion = build_part(decoder.loss, None, "loss_options", limits, loss_options)
    return DenseParts(neck, head, criterion)
