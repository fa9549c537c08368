"""Decoders whose criterion has options of its own, as rows of tables: their parts and options."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

from torch import nn

from vision.backbones.base import Backbone
from vision.necks.pyramid import complete_pyramid, used_maps
from vision.tasks.parts import build_part

Head = TypeVar("Head", bound=nn.Module)


@dataclass(frozen=True, kw_only=True)
class Decoder(Generic[Head]):
    """What turns the maps of a backbone into objects or segments, as data.

    Attributes:
        head: Class of the head.
        criterion: Class of the criterion, which is built from its options.
        loss: Class of these options.
        neck: Builds the head's input maps.
        neck_options: Options of the neck, `strides` among them.
        head_options: Options of the head.
        loss_options: Options of the criterion.
    """

    head: type[Head]
    criterion: Callable[[Any], nn.Module]
    loss: Callable[..., Any]
    neck: Callable[..., nn.Module] = complete_pyramid
    neck_options: Mapping[str, Any]
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


class DecoderParts(NamedTuple, Generic[Head]):
    """The parts that `build_parts` builds."""

    neck: nn.Module
    head: Head
    criterion: nn.Module


def build_parts(
    decoder: Decoder[Head],
    backbone: Backbone,
    *,
    num_classes: int,
    neck_options: Mapping[str, Any],
    head_options: Mapping[str, Any],
    loss_options: Mapping[str, Any],
    shared: Callable[[Head], Mapping[str, Any]] | None = None,
) -> DecoderParts[Head]:
    """Build neck, head and criterion.

    Args:
        decoder: The decoder.
        backbone: The backbone; maps that the neck does not use are no longer returned.
        num_classes: Number of classes.
        neck_options: Options of the neck that replace the decoder's, such as `strides` with 2 for
            the five stages of Cityscapes.
        head_options: The same for the head.
        loss_options: The same for the criterion.
        shared: Options of the criterion that follow from the head; None for none.

    Raises:
        ConfigError: An option is unknown, out of its range, or does not fit the others.
    """
    strides = {**decoder.neck_options, **neck_options}["strides"]
    backbone.keep_outputs(used_maps(backbone.feature_specs, strides))
    specs = backbone.feature_specs
    neck = build_part(decoder.neck, specs, "neck_options", decoder.neck_options, neck_options)
    named = {**head_options, "num_classes": num_classes}
    head = build_part(decoder.head, neck.feature_specs, "head_options", decoder.head_options, named)
    own = {**decoder.loss_options, **(shared(head) if shared is not None else {})}
    options = build_part(decoder.loss, None, "loss_options", own, loss_options)
    return DecoderParts(neck, head, decoder.criterion(options))
