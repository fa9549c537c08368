"""DINO as the authors' PyTorch code names it.

https://github.com/IDEA-Research/DINO. Shapes are the same as ours, so that only names change.
Besides, theirs names the networks of boxes and classes of every decoder layer, also where all are
one, and twice; and its table of classes of noised queries has a last row without an effect, which
is written as zeros. Its backbones are torchvision's ResNet, whose names are timm's, and the
authors' Swin.
"""

from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor

from vision.documents.class_table import class_table, coco_classes
from vision.weights.names.monodetr import ATTENTION, MLP, MULTI_HEAD
from vision.weights.names.operations import Operation, State, dropped, each
from vision.weights.names.table import Names, Row, within

HEAD, BACKBONE = "head.", "backbone."
# The backbone of a whole model; the other part of theirs has no tensors.
_BACKBONE = "backbone.0."
# ResNet is the body of a wrapper.
_BODY = "body."
# What only this head has.
_OWN_PART = "transformer.decoder.ref_point_head."
# Classes of their models of COCO: a category id each.
COCO_IDS = 91
_ENCODER = within(
    "encoder.layers.{i}.",
    "encoder.layers.{i}.",
    *within("self_attn.", "attention.", *ATTENTION),
    *MLP,
    ("norm1.", "norm1."),
    ("norm2.", "norm2."),
)
_DECODER = within(
    "decoder.layers.{i}.",
    "decoder.layers.{i}.",
    *within("cross_attn.", "visual_attention.", *ATTENTION),
    *within("self_attn.", "self_attention.", *MULTI_HEAD),
    *MLP,
    ("norm1.", "visual_norm."),
    ("norm2.", "self_norm."),
    ("norm3.", "mlp_norm."),
)
_TRANSFORMER = within(
    "transformer.",
    "",
    *_ENCODER,
    *_DECODER,
    ("level_embed", "encoder.level_codes"),
    ("decoder.norm.", "decoder.norm."),
    ("decoder.ref_point_head.", "decoder.positions."),
    ("enc_output.", "selection.output."),
    ("enc_output_norm.", "selection.norm."),
    ("enc_out_class_embed.", "selection.classes."),
    ("enc_out_bbox_embed.", "selection.boxes."),
    ("two_stage_wh_embedding.weight", "selection.side"),
    ("tgt_embed.weight", "contents.weight"),
)
_PROJECTIONS = within(
    "input_proj.{i}.",
    "projections.maps.{i}.",
    ("0.", "conv."),
    ("1.", "norm."),
)
_ROWS: list[Row] = [
    *_PROJECTIONS,
    *_TRANSFORMER,
    ("class_embed.", "heads.classes."),
    ("bbox_embed.", "heads.boxes."),
    ("label_enc.weight", "labels.weight"),
]
# The networks of each layer.
_PARTS = ("classes", "boxes")


def _number_extra_maps(state: State, module: Any = None) -> dict[str, Tensor]:
    """Number the coarser maps after those of the pyramid."""
    maps = {key.split(".")[2] for key in state if key.startswith("projections.maps.")}
    return _renumber(state, "projections.coarser.", "projections.maps.", len(maps))


def _split_extra_maps(state: State) -> dict[str, Tensor]:
    """Separate the coarser maps, whose convolutions have larger kernels, from the pyramid's."""
    first, later = "projections.maps.", []
    for key, tensor in state.items():
        if key.startswith(first) and key.endswith(".conv.weight") and tensor.shape[-1] > 1:
            later.append(int(key.split(".")[2]))
    if not later:
        return dict(state)
    return _renumber(state, first, "projections.coarser.", -min(later))


def _renumber(state: State, source: str, target: str, step: int) -> dict[str, Tensor]:
    """Move the parts of a list whose new number is not negative to another list."""
    moved = {}
    for key, tensor in state.items():
        number, _, name = key.removeprefix(source).partition(".")
        if key.startswith(source) and int(number) + step >= 0:
            key = f"{target}{int(number) + step}.{name}"
        moved[key] = tensor
    return moved


def _join_heads(state: State) -> dict[str, Tensor]:
    """Keep one of networks that are equal in all layers, also where the selection has it too."""
    joined = dict(state)
    for part in _PARTS:
        layers = _layers_of(state, part)
        first = layers.get("0", {})
        if len(layers) > 1 and all(_equal(first, layer) for layer in layers.values()):
            for number, layer in layers.items():
                for name in layer if number != "0" else ():
                    del joined[f"heads.{part}.{number}.{name}"]
        start = f"selection.{part}."
        selected = {k.removeprefix(start): v for k, v in state.items() if k.startswith(start)}
        if _equal(first, selected):
            joined = {key: value for key, value in joined.items() if not key.startswith(start)}
    return joined


def _spread_heads(state: State, module: Any = None) -> dict[str, Tensor]:
    """Give every layer its own networks, twice, and the selection one."""
    depth = len({key.split(".")[2] for key in state if key.startswith("decoder.layers.")})
    # Files hold no two tensors that share memory.
    spread = dict(state)
    for part, theirs in zip(_PARTS, ("class_embed", "bbox_embed"), strict=True):
        layers = _layers_of(state, part)
        for number in map(str, range(depth)):
            for name, tensor in layers.get(number, layers["0"]).items():
                spread[f"heads.{part}.{number}.{name}"] = tensor.clone()
                spread[f"transformer.decoder.{theirs}.{number}.{name}"] = tensor.clone()
        if not any(key.startswith(f"selection.{part}.") for key in state):
            for name, tensor in layers["0"].items():
                spread[f"selection.{part}.{name}"] = tensor.clone()
    return spread


def _layers_of(state: State, part: str) -> dict[str, dict[str, Tensor]]:
    """The tensors of the networks of a part, by number of the layer and by name."""
    layers: dict[str, dict[str, Tensor]] = {}
    for key, tensor in state.items():
        if key.startswith(f"heads.{part}."):
            number, _, name = key.removeprefix(f"heads.{part}.").partition(".")
            layers.setdefault(number, {})[name] = tensor
    return layers


def _equal(one: State, other: State) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def _cut_labels(state: State) -> dict[str, Tensor]:
    """Leave out the rows of the table of labels that stand for no class."""
    classes = state.get("heads.classes.0.bias")
    if classes is None or "labels.weight" not in state:
        return dict(state)
    return {**state, "labels.weight": state["labels.weight"][: len(classes)]}


def _add_label(state: State, module: Any = None) -> dict[str, Tensor]:
    """Add the row without an effect."""
    table = state["labels.weight"]
    return {**state, "labels.weight": torch.cat([table, torch.zeros_like(table[:1])])}


TABLE = Names(
    _ROWS,
    [
        dropped(r"^transformer\.decoder\.(class|bbox)_embed\."),
        Operation(_split_extra_maps, _number_extra_maps),
        Operation(_cut_labels, _add_label),
        Operation(_join_heads, _spread_heads),
        # A table of one row there.
        each(r"^selection\.side$", lambda t: t.reshape(2), lambda t, module: t.reshape(1, 2)),
    ],
)


def is_dino(keys: Collection[str]) -> bool:
    """Whether these are keys of a whole model of DINO's code."""
    return any(key.startswith(_OWN_PART) for key in keys)


def is_head(names: Collection[str]) -> bool:
    """Whether these are parameters of one of our models with this head."""
    return any(name.startswith("head.selection.") for name in names)


def names_of(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of such a model, as they are, under the names of DINO's code where it has them.

    Args:
        state: Tensor by key, under `head.`, `neck.` and the like.
    """
    head = {k.removeprefix(HEAD): tensor for k, tensor in state.items() if k.startswith(HEAD)}
    rest = {key: tensor for key, tensor in state.items() if not key.startswith(HEAD)}
    return {**rest, **TABLE.names_of(_number_extra_maps(head))}


def read(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename a whole model's head to ours, and its backbone to that of the backbone's own code.

    Args:
        state: Tensor by key of a whole model.

    Returns:
        The tensors under `head.` and `backbone.`.
    """
    inner = {k.removeprefix(_BACKBONE): v for k, v in state.items() if k.startswith(_BACKBONE)}
    head = {key: tensor for key, tensor in state.items() if not key.startswith(_BACKBONE)}
    return {
        **{BACKBONE + key.removeprefix(_BODY): tensor for key, tensor in inner.items()},
        **{HEAD + key: tensor for key, tensor in TABLE.read(head).items()},
    }


def default_class_names(state: Mapping[str, Tensor]) -> list[str] | None:
    """Class names of the authors' models of COCO, whose classes are category ids.

    Args:
        state: Tensor by key of a whole checkpoint.

    Returns:
        A name for each of the ids 0 to 90, of which 80 are COCO's; None for anything else.
    """
    bias = state.get("class_embed.0.bias")
    if bias is None or len(bias) != COCO_IDS or not is_dino(state):
        return None
    names = [f"category {i}" for i in range(COCO_IDS)]
    for value, name in zip(class_table("coco_stuff").values, coco_classes(), strict=False):
        names[value + 1] = name
    return names
