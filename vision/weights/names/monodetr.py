"""MonoDETR as the authors' PyTorch code names it.

https://github.com/ZrrSkywalker/MonoDETR. Shapes are the same as ours, so that only names change.
Besides, theirs has parameters without an effect, which are not read and written as zeros: a layer
for the values of the attention among queries, networks that scale queries and make them of boxes,
and a table of classes for noisy queries. The networks of boxes and sizes are there twice, as the
decoder names them too. Its backbone is torchvision's ResNet, whose names are timm's.
"""

from collections.abc import Collection, Mapping
from typing import Any

from torch import Tensor

from vision.weights.names.operations import State, dropped
from vision.weights.names.table import Names, Row, within

HEAD, BACKBONE = "head.", "backbone."
# The ResNet of a whole model; the other part of their backbone has no tensors.
_RESNET = "backbone.0.body."
# What only their head has.
_OWN_PART = "depthaware_transformer."
ATTENTION: list[Row] = [
    ("sampling_offsets.", "offsets."),
    ("attention_weights.", "weights."),
    ("value_proj.", "value."),
    ("output_proj.", "output."),
]
MULTI_HEAD: list[Row] = [
    ("in_proj_weight", "qkv.weight"),
    ("in_proj_bias", "qkv.bias"),
    ("out_proj.", "output."),
]
MLP: list[Row] = [("linear1.", "mlp.fc1."), ("linear2.", "mlp.fc2.")]


def _norm(conv: str, norm: str, ours: str) -> list[Row]:
    """A convolution and its norm."""
    return [(f"{conv}.", f"{ours}.conv."), (f"{norm}.", f"{ours}.norm.")]


_DEPTH = within(
    "depth_predictor.",
    "",
    ("depth_pos_embed.weight", "depth_encoder.table"),
    *within("depth_encoder.layers.0.self_attn.", "depth_encoder.attention.", *MULTI_HEAD),
    *within("depth_encoder.layers.0.", "depth_encoder.", *MLP),
    ("depth_encoder.layers.0.", "depth_encoder."),
    ("depth_bin_values", "depth_predictor.bin_values"),
    ("depth_classifier.", "depth_predictor.classifier."),
    *_norm("downsample.0", "downsample.1", "depth_predictor.fine"),
    *_norm("proj.0", "proj.1", "depth_predictor.middle"),
    *_norm("upsample.0", "upsample.1", "depth_predictor.coarse"),
    *_norm("depth_head.0", "depth_head.1", "depth_predictor.convs.0"),
    *_norm("depth_head.3", "depth_head.4", "depth_predictor.convs.1"),
)
_ENCODER = within(
    "encoder.layers.{i}.",
    "encoder.{i}.",
    *within("self_attn.", "attention.", *ATTENTION),
    *MLP,
    ("norm1.", "norm1."),
    ("norm2.", "norm2."),
)
_DECODER = within(
    "decoder.layers.{i}.",
    "decoder.layers.{i}.",
    *within("cross_attn_depth.", "depth_attention.", *MULTI_HEAD),
    *within("self_attn.", "self_attention.", *MULTI_HEAD),
    *within("cross_attn.", "visual_attention.", *ATTENTION),
    *MLP,
    ("sa_qcontent_proj.", "query_content."),
    ("sa_qpos_proj.", "query_position."),
    ("sa_kcontent_proj.", "key_content."),
    ("sa_kpos_proj.", "key_position."),
    ("norm_depth.", "depth_norm."),
    ("norm1.", "visual_norm."),
    ("norm2.", "self_norm."),
    ("norm3.", "mlp_norm."),
)
_TRANSFORMER = within(
    "depthaware_transformer.",
    "",
    *_ENCODER,
    *_DECODER,
    ("level_embed", "level_codes"),
    ("reference_points.", "decoder.points."),
)


def _predictions(theirs: str, ours: str) -> Row:
    return f"{theirs}.{{i}}.", f"predictions.{{i}}.{ours}."


_ROWS: list[Row] = [
    # The last map first: its number is one more than those of the others.
    *_norm("input_proj.3.0", "input_proj.3.1", "projections.coarser.0"),
    *_norm("input_proj.{i}.0", "input_proj.{i}.1", "projections.maps.{i}"),
    *_DEPTH,
    *_TRANSFORMER,
    ("query_embed.weight", "queries.table"),
    _predictions("class_embed", "classes"),
    _predictions("bbox_embed", "boxes"),
    _predictions("dim_embed_3d", "sizes"),
    _predictions("depth_embed", "depth"),
    _predictions("angle_embed", "angles"),
]
_DECODER_THERE = "depthaware_transformer.decoder."
# What the decoder names a second time, by our names.
_COPIES = {"boxes": "bbox_embed", "sizes": "dim_embed"}


def _without_effect(state: State, module: Any) -> dict[str, Tensor]:
    """Zeros for what has no effect, and copies of what is there twice."""
    points, classes = state["decoder.points.weight"], state["predictions.0.classes.weight"]
    count, dim = classes.shape
    matrix, row = (dim, dim), (dim,)
    shapes: dict[str, tuple[int, ...]] = {"label_enc.weight": (count + 1, dim - 1)}
    shapes |= _perceptron("query_scale", (matrix, matrix), (row, row))
    shapes |= _perceptron("ref_point_head", (matrix, (2, dim)), (row, (2,)))
    layers = {key.split(".")[2] for key in state if key.startswith("decoder.layers.")}
    for i in sorted(layers, key=int):
        name = f"{_DECODER_THERE}layers.{i}.sa_v_proj"
        shapes |= {f"{name}.weight": matrix, f"{name}.bias": row}
    zeros: dict[str, Tensor] = {key: points.new_zeros(shape) for key, shape in shapes.items()}
    copies = {}
    for key, tensor in state.items():
        first, _, rest = key.partition(".")
        layer, _, inner = rest.partition(".")
        part, _, name = inner.partition(".")
        if first == "predictions" and part in _COPIES:
            # Files hold no two tensors that share memory.
            copies[f"{_DECODER_THERE}{_COPIES[part]}.{layer}.{name}"] = tensor.clone()
    return {**zeros, **copies}


def _perceptron(
    name: str, weights: tuple[tuple[int, ...], ...], biases: tuple[tuple[int, ...], ...]
) -> dict[str, tuple[int, ...]]:
    start = f"{_DECODER_THERE}{name}.layers"
    return {
        **{f"{start}.{i}.weight": shape for i, shape in enumerate(weights)},
        **{f"{start}.{i}.bias": shape for i, shape in enumerate(biases)},
    }


TABLE = Names(
    _ROWS,
    [
        dropped(
            r"^label_enc\.|^depthaware_transformer\.decoder\."
            r"(query_scale|ref_point_head|bbox_embed|dim_embed)\.|\.sa_v_proj\.",
            _without_effect,
        )
    ],
)


def is_monodetr(keys: Collection[str]) -> bool:
    """Whether these are keys of a whole model of MonoDETR's code."""
    return any(key.startswith(_OWN_PART) for key in keys)


def read(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename a whole model's head to ours, and its backbone to timm's.

    Args:
        state: Tensor by key of a whole model.

    Returns:
        The tensors under `head.` and `backbone.`.
    """
    head = {key: tensor for key, tensor in state.items() if not key.startswith(_RESNET)}
    return {
        **{BACKBONE + k.removeprefix(_RESNET): v for k, v in state.items() if k not in head},
        **{HEAD + key: tensor for key, tensor in TABLE.read(head).items()},
    }
