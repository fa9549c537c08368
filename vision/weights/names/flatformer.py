"""FlatFormer's weights: the names of the authors' whole detector, and of its encoder alone.

https://github.com/mit-han-lab/flatformer, which is built in mmdetection3d. Shapes are the same as
ours, so that only names change. Of a whole detector the encoder of pillars is `middle_encoder`;
what is `backbone` there is the first part of our neck.
"""

from collections.abc import Collection, Mapping

from torch import Tensor, nn

from vision.weights.names.published import OptionReader, PublishedModel, Source
from vision.weights.names.table import Names, Root, Row, within

BACKBONE = "backbone."
# Our parts of a whole detector that the table names besides the encoder.
NAMED_HEAD = ("reader.", "neck.", "head.")
_ENCODER, _HEAD = "middle_encoder.", "bbox_head."
# Our name of a map of the head by theirs.
MAPS = {
    "heatmap": "heatmap",
    "reg": "offset",
    "height": "height",
    "dim": "log_size",
    "rot": "rotation",
    "vel": "velocity",
    "iou": "overlap",
}
_LAYERS = within(
    "block_list.{i}.block.{j}.",
    "blocks.{i}.layers.{j}.",
    ("attn.attn.in_proj_weight", "attention.qkv.weight"),
    ("attn.attn.in_proj_bias", "attention.qkv.bias"),
    ("attn.attn.out_proj.", "attention.output."),
    ("fc1.", "mlp.fc1."),
    ("fc2.", "mlp.fc2."),
    ("norm1.", "norm1."),
    ("norm2.", "norm2."),
)


def _norm(theirs: str, ours: str, conv: str, norm: str) -> list[Row]:
    """A convolution and its norm."""
    return within(theirs, ours, (f"{conv}.", "conv."), (f"{norm}.", "norm."))


_READER = within(
    "voxel_encoder.vfe_layers.{i}.",
    "reader.layers.{i}.",
    ("linear.", "linear."),
    ("norm.", "norm."),
)
_NECK = [
    *_norm("backbone.blocks.{i}.{j}.", "neck.blocks.{i}.{j}.", "0", "1"),
    *_norm("neck.deblocks.{i}.", "neck.ups.{i}.", "0", "1"),
]
_PREDICTIONS = [
    row
    for theirs, ours in MAPS.items()
    for row in (
        *_norm(f"task_heads.0.{theirs}.0.", f"predictions.{ours}.inner.", "conv", "bn"),
        (f"task_heads.0.{theirs}.1.", f"predictions.{ours}.output."),
    )
]
_CENTRES = within(_HEAD, "head.", *_norm("shared_conv.", "shared.", "conv", "bn"), *_PREDICTIONS)
TABLES = {
    "official": Names(
        [*_LAYERS, *_READER, *_NECK, *_CENTRES],
        root=Root(_ENCODER, beside=(_HEAD, "voxel_encoder.", "backbone.", "neck.")),
    ),
}


def is_flatformer(keys: Collection[str]) -> bool:
    """Whether these are keys of a whole detector of the authors' code."""
    return any(key.startswith(f"{_ENCODER}block_list.") for key in keys)


def read(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename a whole detector to ours.

    Args:
        state: Tensor by key of a whole detector.

    Returns:
        The tensors under `reader.`, `backbone.`, `neck.` and `head.`.
    """
    named = TABLES["official"].read(state)
    return {k if k.startswith(NAMED_HEAD) else BACKBONE + k: v for k, v in named.items()}


def naming(keys: set[str]) -> str:
    """Tell whose key names these are by the blocks."""
    theirs = any(key.startswith(("block_list.", f"{_ENCODER}block_list.")) for key in keys)
    return "official" if theirs else "ours"


def resize(name: str, tensor: Tensor, target: Tensor, backbone: nn.Module) -> Tensor | None:
    """Nothing depends on the size of a grid, so that there is nothing to fit."""
    return None


def read_options(reader: OptionReader, source: Source) -> PublishedModel:
    """Translate the constructor options of the authors' encoder."""
    options = reader.rename(
        {
            "in_channels": "dim",
            "num_heads": "num_heads",
            "num_blocks": "num_blocks",
            "activation": "activation",
            "window_shape": "window_shape",
            "sparse_shape": "sparse_shape",
            "pos_temperature": "pos_temperature",
            "normalize_pos": "normalize_pos",
            "group_size": "group_size",
        }
    )
    # The size of the map belongs to what writes it.
    reader.ignore("output_shape")
    return PublishedModel(options)
