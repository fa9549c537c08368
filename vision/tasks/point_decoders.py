"""The decoders of point clouds by name: their parts and options."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from vision.backbones.swin3d import Swin3D
from vision.heads.points.swin3d import Swin3DHead
from vision.losses.points import PointLoss, PointLossOptions
from vision.tasks.parts import build_part


@dataclass(frozen=True, kw_only=True)
class PointDecoder:
    """What turns the maps of an encoder of points into logits of each voxel, as data.

    Attributes:
        head: Class of the head.
        shared: Options of the head that follow from the backbone.
        loss: Class of the options of the criterion.
        head_options: Options of the head.
        loss_options: Options of the criterion.
    """

    head: type[Swin3DHead]
    shared: Callable[[Swin3D], Mapping[str, Any]]
    loss: Callable[..., PointLossOptions] = PointLossOptions
    head_options: Mapping[str, Any] = field(default_factory=dict)
    loss_options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def builders(self) -> dict[str, Callable[..., Any]]:
        """The class or function that takes each group of options, by name of the group."""
        return {"head_options": self.head, "loss_options": self.loss}


def windows_of(backbone: Swin3D) -> dict[str, Any]:
    """The design of a backbone's blocks, which those of the head have too."""
    return {
        "num_heads": backbone.num_heads,
        "window_sizes": backbone.window_sizes,
        "quant_size": backbone.quant_size,
        "encoding": backbone.encoding,
    }


POINT_DECODERS: dict[str, PointDecoder] = {
    "swin3d": PointDecoder(head=Swin3DHead, shared=windows_of)
}


class PointParts(NamedTuple):
    """The parts that `build_point_parts` builds."""

    head: Swin3DHead
    criterion: PointLoss


def build_point_parts(
    decoder: PointDecoder,
    backbone: Swin3D,
    *,
    num_classes: int,
    head_options: Mapping[str, Any],
    loss_options: Mapping[str, Any],
) -> PointParts:
    """Build head and criterion.

    Args:
        decoder: The decoder.
        backbone: The encoder.
        num_classes: Number of classes.
        head_options: Options of the head that replace the decoder's.
        loss_options: Options of the criterion that replace the decoder's.

    Raises:
        ConfigError: An option is unknown, out of its range, or does not fit the others.
    """
    own = {**decoder.shared(backbone), **decoder.head_options}
    named = {**head_options, "num_classes": num_classes}
    head = build_part(decoder.head, backbone.feature_specs, "head_options", own, named)
    options = build_part(decoder.loss, None, "loss_options", decoder.loss_options, loss_options)
    return PointParts(head, PointLoss(options, num_classes=num_classes))
