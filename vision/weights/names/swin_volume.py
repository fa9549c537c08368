"""Swin UNETR weights: the names of MONAI's whole network, and of its self-supervised encoder.

A whole network has `swinViT.` before the names of its encoder, and its decoder beside it. The
encoder that was trained by self-supervision has the first or none, the heads of that training
beside it, and in its older files `fc1` and `fc2` in feed-forward networks.
"""

from typing import Any

import torch
from torch import Tensor, nn

from vision.layers.window import relative_position_index
from vision.weights.names.operations import State, dropped
from vision.weights.names.published import OptionReader, PublishedModel, Source
from vision.weights.names.table import Names, Root, Row, within

HEAD, _ENCODER = "head.", "swinViT."


def _residual(theirs: str, ours: str) -> list[Row]:
    return within(
        theirs,
        ours,
        ("conv1.conv.", "conv1."),
        ("conv2.conv.", "conv2."),
        ("conv3.conv.", "shortcut."),
    )


_BLOCK = [
    ("mlp.linear1.", "mlp.fc1."),
    ("mlp.linear2.", "mlp.fc2."),
    ("", ""),
]
_STAGES = [
    *within("layers{i+1}.0.blocks.{j}.", "stages.{i}.{j}.", *_BLOCK),
    ("layers{i+1}.0.downsample.", "merges.{i}."),
    *_residual("layers{i+1}c.0.layer.", "convs.{i}."),
    # The encoder of "Disruptive Autoencoders".
    *within("layers{i+1}.0.0.blocks.{j}.", "stages.{i}.{j}.", *_BLOCK),
    ("layers{i+1}.0.0.downsample.", "merges.{i}."),
]
_DECODER = [
    *(row for i in range(4) for row in _residual(f"encoder{i + 1}.layer.", f"{HEAD}skips.{i}.")),
    *_residual("encoder10.layer.", f"{HEAD}bottleneck."),
    *(
        row
        for i in range(5)
        for row in (
            (f"decoder{5 - i}.transp_conv.conv.", f"{HEAD}ups.{i}.up."),
            *_residual(f"decoder{5 - i}.conv_block.", f"{HEAD}ups.{i}.block."),
        )
    ),
    ("out.conv.conv.", f"{HEAD}out."),
]
# Our parts of a whole network that one of the tables names, and those of training alone.
NAMED_HEAD, TRAINED_WITH = HEAD, f"{HEAD}deeper."


def _indices(state: State, backbone: Any) -> dict[str, Tensor]:
    """The tables of indices of the blocks, made for the whole window, in row-major order."""
    table = relative_position_index(backbone.window_size, backbone.window_size)
    sides = backbone.window_size
    # Ours count the first axis fastest, theirs the last.
    ranks = torch.arange(len(table)).view(sides[::-1]).permute(*reversed(range(len(sides))))
    index = table[ranks.flatten()][:, ranks.flatten()]
    return {
        f"stages.{i}.{j}.attn.relative_position_index": index.clone()
        for i, blocks in enumerate(backbone.stages)
        for j in range(len(blocks))
    }


# The second one: heads and tokens of the self-supervised training.
_DERIVED = r"relative_position_index$"
_PRETRAINING = r"^(rotation|contrastive)_(pre|head)\.|^conv\.|^mask_token$|^norm\."
TABLES = {
    "official": Names(
        [*_STAGES, *_DECODER],
        [dropped(_DERIVED, _indices), dropped(_PRETRAINING)],
        root=Root(_ENCODER, beside=("encoder", "decoder", "out.")),
    ),
}


def naming(keys: set[str]) -> str:
    """Tell whose key names these are by the stages."""
    return "ours" if any(key.startswith("stages.") for key in keys) else "official"


def resize(name: str, tensor: Tensor, target: Tensor, backbone: nn.Module) -> Tensor | None:
    """Bias tables of another window cannot be fitted: a smaller map reads them by rank."""
    return None


def read_options(reader: OptionReader, source: Source) -> PublishedModel:
    """Translate the constructor options of MONAI's network; its outputs stand for classes."""
    options = reader.rename(
        {
            "in_channels": "in_channels",
            "spatial_dims": "axes",
            "patch_size": "patch_size",
            "feature_size": "dim",
            "depths": "depths",
            "num_heads": "num_heads",
            "window_size": "window_size",
            "mlp_ratio": "mlp_ratio",
            "qkv_bias": "qkv_bias",
            "drop_rate": "drop_rate",
            "attn_drop_rate": "attn_drop_rate",
            "dropout_path_rate": "drop_path_rate",
            "patch_norm": "patch_norm",
            "normalize": "normalize",
            "downsample": "merging",
            "use_v2": "use_v2",
        }
    )
    # MONAI's own default.
    options.setdefault("dim", 24)
    reader.expect("norm_name", "instance")
    reader.expect("use_hyena", False)
    reader.expect("hyena_stages", None)
    reader.ignore("img_size", "use_checkpoint", "use_flash_attention")
    return PublishedModel(options, reader.take("out_channels"))
