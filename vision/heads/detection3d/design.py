"""Widths and depths within MonoDETR's head."""

from dataclasses import dataclass

from vision.errors import ConfigError
from vision.layers.input_projections import NORM_GROUPS
from vision.options import MAX_DEPTH, MAX_WIDTH, Range, check_ranges


@dataclass(frozen=True)
class MonoDETRDesign:
    """Widths and depths that the authors keep the same.

    Attributes:
        dim: Channels of cells and queries, a multiple of 32.
        num_heads: Heads of every attention.
        num_points: Points per head and map of the deformable attention.
        feedforward: Channels within the feed-forward networks.
        depth_feedforward: The same in the depth encoder.
        encoder_depth: Layers of the visual encoder.
        decoder_depth: Layers of the decoder.
        dropout: Probability of dropping a value in training.

    Raises:
        ConfigError: A number is out of its range.
    """

    dim: int = 256
    num_heads: int = 8
    num_points: int = 4
    feedforward: int = 256
    depth_feedforward: int = 256
    encoder_depth: int = 3
    decoder_depth: int = 3
    dropout: float = 0.1

    def __post_init__(self) -> None:
        width, depth = Range(minimum=1, maximum=MAX_WIDTH), Range(minimum=1, maximum=MAX_DEPTH)
        ranges = {
            **dict.fromkeys(("dim", "num_heads", "num_points", "feedforward"), width),
            "depth_feedforward": width,
            "encoder_depth": depth,
            "decoder_depth": depth,
            "dropout": Range(minimum=0, below=1),
        }
        check_ranges(vars(self), ranges, group="design")
        if self.dim % NORM_GROUPS:
            raise ConfigError(
                f"design.dim={self.dim} must be a multiple of {NORM_GROUPS}, the groups of its "
                "norms."
            )
