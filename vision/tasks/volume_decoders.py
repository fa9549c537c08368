"""The decoders of volumes by name: their parts and options."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from vision.backbones.swin_volume import SwinVolume
from vision.contracts.volumes import Regions
from vision.heads.volumes.swin_unetr import SwinUNETRHead
from vision.losses.volumes import VolumeLoss, VolumeLossOptions
from vision.tasks.parts import build_part


@dataclass(frozen=True, kw_only=True)
class VolumeDecoder:
    """What turns the maps of an encoder of volumes into logits of each cell, as data.

    Attributes:
        head: Class of the head.
        loss: Class of the options of the criterion.
        head_options: Options of the head.
        loss_options: Options of the criterion.
    """

    head: type[SwinUNETRHead]
    loss: Callable[..., VolumeLossOptions] = VolumeLossOptions
    head_options: Mapping[str, Any] = field(default_factory=dict)
    loss_options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def builders(self) -> dict[str, Callable[..., Any]]:
        """The class or function that takes each group of options, by name of the group."""
        return {"head_options": self.head, "loss_options": self.loss}


VOLUME_DECODERS: dict[str, VolumeDecoder] = {"swin_unetr": VolumeDecoder(head=SwinUNETRHead)}


class VolumeParts(NamedTuple):
    """The parts that `build_volume_parts` builds."""

    head: SwinUNETRHead
    criterion: VolumeLoss


def build_volume_parts(
    decoder: VolumeDecoder,
    backbone: SwinVolume,
    *,
    in_channels: int,
    num_outputs: int,
    regions: Regions | None,
    head_options: Mapping[str, Any],
    loss_options: Mapping[str, Any],
) -> VolumeParts:
    """Build head and criterion.

    Args:
        decoder: The decoder.
        backbone: The encoder.
        in_channels: Number of modalities.
        num_outputs: Number of regions or classes.
        regions: The regions of a model of regions; None for one of classes.
        head_options: Options of the head that replace the decoder's.
        loss_options: Options of the criterion that replace the decoder's.

    Raises:
        ConfigError: An option is unknown, out of its range, or does not fit the others.
    """
    fixed = {"in_channels": in_channels, "num_outputs": num_outputs}
    named = {**head_options, **fixed}
    specs = backbone.feature_specs
    head = build_part(decoder.head, specs, "head_options", decoder.head_options, named)
    options = build_part(decoder.loss, None, "loss_options", decoder.loss_options, loss_options)
    return VolumeParts(head, VolumeLoss(options, regions=regions))
