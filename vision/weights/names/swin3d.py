"""Swin3D weights: the names of the authors' network, encoder and decoder side by side."""

from torch import Tensor, nn

from vision.weights.names.published import OptionReader, PublishedModel, Source
from vision.weights.names.table import Names, Row, within

HEAD = "head."


def _conv_norm(theirs: str, ours: str) -> list[Row]:
    return within(
        theirs,
        ours,
        ("conv_layers.0.", "conv."),
        ("conv_layers.1.bn.", "norm."),
    )


def _down(theirs: str, ours: str) -> list[Row]:
    return within(
        theirs,
        ours,
        # Layers of their own around those that the other kind of down-sampling has as they are.
        ("norm.norm.", "cell_norm."),
        ("linear.linear.", "cell_linear."),
        ("", ""),
    )


TABLES = {
    "official": Names(
        [
            *_conv_norm("stem_layer.0.", "stem.0."),
            *_conv_norm("stem_layer.", "stem."),
            *within(
                "stem_layer.1.",
                "stem.1.",
                ("norm1.bn.", "norm1."),
                ("norm2.bn.", "norm2."),
                ("", ""),
            ),
            *_down("downsample.", "first_down."),
            *_down("layers.{i}.downsample.", "downs.{i}."),
            ("layers.{i}.blocks.{j}.", "stages.{i}.{j}."),
            *within(
                "upsamples.{i}.",
                f"{HEAD}ups.{{i}}.",
                ("linear1.", "skip."),
                ("linear2.", "coarse."),
                ("block.blocks.0.", "block."),
            ),
            ("classifier.", f"{HEAD}classifier."),
        ]
    ),
}
# Our parts of a whole network that the table names.
NAMED_HEAD = HEAD


def naming(keys: set[str]) -> str:
    """Tell whose key names these are by the stem."""
    return "official" if any(key.startswith("stem_layer.") for key in keys) else "ours"


def resize(name: str, tensor: Tensor, target: Tensor, backbone: nn.Module) -> Tensor | None:
    """Tables of another window have other differences in their rows: they are not fitted."""
    return None


def read_options(reader: OptionReader, source: Source) -> PublishedModel:
    """Translate the constructor options of the authors' network.

    Those of its decoder, `upsample` and `up_k`, are left: they belong to the head.
    """
    options = reader.rename(
        {
            "depths": "depths",
            "channels": "channels",
            "num_heads": "num_heads",
            "window_sizes": "window_sizes",
            "quant_size": "quant_size",
            "drop_path_rate": "drop_path_rate",
            "num_layers": "num_layers",
            "stem_transformer": "stem_transformer",
            "first_down_stride": "first_down_stride",
            "down_stride": "first_down_stride",
            "knn_down": "knn_down",
            "in_channels": "in_channels",
            "cRSE": "encoding",
        }
    )
    reader.ignore("fp16_mode")
    return PublishedModel(options, reader.take("num_classes"))
