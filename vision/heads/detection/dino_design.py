"""Widths and depths within the head of DINO, and its encoders."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from torch import nn

from vision.errors import ConfigError
from vision.heads.detection.deformable_encoder import DeformableEncoder
from vision.heads.detection.hybrid_encoder import HybridEncoder
from vision.layers.activations import ACTIVATIONS, Activation
from vision.layers.input_projections import NORM_GROUPS
from vision.options import MAX_DEPTH, MAX_WIDTH, Range, check_ranges, read_options

EncoderName = Literal["deformable", "hybrid"]
_WIDTH, _DEPTH = Range(minimum=1, maximum=MAX_WIDTH), Range(minimum=1, maximum=MAX_DEPTH)


@dataclass(frozen=True)
class DINODesign:
    """Widths and depths of the decoder, and which of its parts are shared.

    Attributes:
        dim: Channels of cells and queries, a multiple of 32.
        num_heads: Heads of every attention.
        num_points: Points per head and map of the decoder's deformable attention.
        feedforward: Channels within the decoder's feed-forward networks.
        decoder_depth: Layers of the decoder.
        dropout: Probability of dropping a value in training, in encoder and decoder.
        activation: Activation of the feed-forward networks of decoder and deformable encoder.
        learned_contents: Whether the contents of queries are learnt, and only their boxes selected
            ("mixed query selection"); otherwise both are selected.
        learned_side: Whether the sides of the boxes that cells propose are learnt.
        exact_padding: Whether padding changes nothing within the image. Otherwise, as published,
            norms of the projections take it in, its cells may be selected, and codes of boxes are
            those of shares of the padded image. Without padding there is no difference.
        share_classes: Whether all decoder layers have the same layer for classes.
        share_boxes: The same for boxes.
        share_selected_classes: Whether the selection has the decoder's layer for classes.
        share_selected_boxes: The same for boxes.

    Raises:
        ConfigError: A number is out of its range, or what layers do not share is to be shared with
            the selection.
    """

    dim: int = 256
    num_heads: int = 8
    num_points: int = 4
    feedforward: int = 2048
    decoder_depth: int = 6
    dropout: float = 0.0
    activation: Activation = "relu"
    learned_contents: bool = True
    learned_side: bool = False
    exact_padding: bool = True
    share_classes: bool = True
    share_boxes: bool = True
    share_selected_classes: bool = False
    share_selected_boxes: bool = False

    def __post_init__(self) -> None:
        ranges: dict[str, Range | tuple[Any, ...]] = {
            **dict.fromkeys(("dim", "num_heads", "num_points", "feedforward"), _WIDTH),
            "decoder_depth": _DEPTH,
            "dropout": Range(minimum=0, below=1),
            "activation": tuple(ACTIVATIONS),
        }
        check_ranges(vars(self), ranges, group="design")
        if self.dim % NORM_GROUPS:
            raise ConfigError(
                f"design.dim={self.dim} must be a multiple of {NORM_GROUPS}, the groups of its "
                "norms."
            )
        selected = self.share_selected_classes or self.share_selected_boxes
        if selected and not (self.share_classes and self.share_boxes):
            raise ConfigError(
                "design.share_selected_classes and design.share_selected_boxes need "
                "design.share_classes and design.share_boxes, as layers that differ cannot all "
                "be the selection's."
            )


@dataclass(frozen=True)
class DeformableEncoderOptions:
    """The encoder of DINO.

    Attributes:
        num_layers: Number of layers.
        num_points: Points per head and map.
        feedforward: Channels within the feed-forward networks.
        row_temperature: Ratio of the largest wavelength to the smallest in the codes of rows.
        column_temperature: The same of columns.

    Raises:
        ConfigError: A number is out of its range.
    """

    num_layers: int = 6
    num_points: int = 4
    feedforward: int = 2048
    row_temperature: float = 20.0
    column_temperature: float = 20.0

    def __post_init__(self) -> None:
        ranges = {
            "num_layers": _DEPTH,
            **dict.fromkeys(("num_points", "feedforward"), _WIDTH),
            **dict.fromkeys(("row_temperature", "column_temperature"), Range(above=0)),
        }
        check_ranges(vars(self), ranges, group="encoder_options")

    def build(self, design: DINODesign, num_levels: int) -> nn.Module:
        """Build the encoder for a number of maps."""
        return DeformableEncoder(
            dim=design.dim,
            num_levels=num_levels,
            num_heads=design.num_heads,
            num_points=self.num_points,
            hidden_dim=self.feedforward,
            depth=self.num_layers,
            dropout=design.dropout,
            activation=design.activation,
            temperatures=(self.row_temperature, self.column_temperature),
        )


@dataclass(frozen=True)
class HybridEncoderOptions:
    """The encoder of RT-DETR.

    Attributes:
        feedforward: Channels within the feed-forward network.
        expansion: Channels within a fusion, as a multiple of the width.
        num_blocks: Blocks of two branches in each fusion.

    Raises:
        ConfigError: A number is out of its range.
    """

    feedforward: int = 1024
    expansion: float = 1.0
    num_blocks: int = 3

    def __post_init__(self) -> None:
        ranges = {
            "feedforward": _WIDTH,
            "expansion": Range(above=0, maximum=16),
            "num_blocks": _DEPTH,
        }
        check_ranges(vars(self), ranges, group="encoder_options")

    def build(self, design: DINODesign, num_levels: int) -> nn.Module:
        """Build the encoder for a number of maps."""
        return HybridEncoder(
            dim=design.dim,
            num_levels=num_levels,
            num_heads=design.num_heads,
            hidden_dim=self.feedforward,
            expansion=self.expansion,
            num_blocks=self.num_blocks,
            dropout=design.dropout,
        )


class EncoderRow(NamedTuple):
    """An encoder, as data.

    Attributes:
        options: Class of its options, which build it.
        coarser: Number of maps that are made besides those of the pyramid, as published.
    """

    options: Callable[..., Any]
    coarser: int


ENCODERS: dict[str, EncoderRow] = {
    "deformable": EncoderRow(DeformableEncoderOptions, 1),
    "hybrid": EncoderRow(HybridEncoderOptions, 0),
}


def build_encoder(
    name: EncoderName, options: Mapping[str, Any], *, design: DINODesign, num_levels: int
) -> nn.Module:
    """Build an encoder of DINO.

    Args:
        name: Of `ENCODERS`.
        options: Its options.
        design: Widths that it has from the head.
        num_levels: Number of maps.

    Raises:
        ConfigError: An option is unknown or out of its range.
    """
    chosen = read_options(ENCODERS[name].options, options, group="encoder_options")  # type: ignore[arg-type]
    encoder: nn.Module = chosen.build(design, num_levels)
    return encoder
