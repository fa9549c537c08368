"""Write weights under the key names of another implementation: the inverse of `load_weights`.

Every result is converted back and compared with its source, so that a written state dict means the
same to the other implementation.
"""

from collections.abc import Mapping
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from vision.errors import ConfigError, WeightsError
from vision.weights.load import BACKBONE, HEADS, WRAPPED
from vision.weights.names import mmdet, mmseg
from vision.weights.names.families import family_module, to_ours
from vision.weights.names.table import Names

Naming = Literal["official", "timm", "huggingface", "mmdet", "mmseg"]
NAMINGS: tuple[str, ...] = get_args(Naming)
OPENMMLAB = ("mmdet", "mmseg")
# What only the heads of query detectors have.
_QUERY_HEAD = "head.projections.maps."
# Prefixes of the two parts of the registered backbones of `vision.interop.mmseg`.
_OURS_WITHIN = "backbone.backbone."
_PYRAMID_WITHIN = "backbone.pyramid."


def to_naming(module: nn.Module, naming: str) -> dict[str, Tensor]:
    """The weights of a model under the names of another implementation.

    Buffers that the other implementation keeps in its checkpoints, such as tables of indices, are
    computed, so that the result loads with `strict=True` there.

    Args:
        module: A `Backbone`, or a model whose parts are `backbone`, `neck`, `head` and `auxiliary`.
        naming: `"official"` for the code of the backbone's authors: their classifier, or for a
            backbone with `dense=True` their dense-prediction code, without a head; `"timm"`
            or `"huggingface"` for a classifier there; `"mmdet"` for a whole detector, `"mmseg"` for
            a whole segmentor. In the last two the backbone is `SwinTransformer`, the `ConvNeXt` of
            mmpretrain, or for all other families `vision.CSWin` and its like, which
            `vision.interop.mmseg` registers.

    Returns:
        Tensor by key, on the CPU.

    Raises:
        ConfigError: The naming is unknown, or it has no names for this model.
        WeightsError: The names do not convert back to this model.
    """
    if naming not in NAMINGS:
        raise ConfigError(f"there is no naming '{naming}'; known are {', '.join(NAMINGS)}.")
    backbone: Any = getattr(module, "backbone", module)
    if not hasattr(backbone, "family"):
        raise ConfigError(
            f"to_naming accepts a Backbone or a model whose .backbone is one; got a "
            f"{type(module).__name__}."
        )
    state = _own_state(module)
    if naming in OPENMMLAB:
        return _openmmlab(state, backbone, naming)
    return _backbone_and_classifier(state, backbone, naming)


def available_namings(family: str) -> list[str]:
    """The namings that can express a family of backbones, the ones of whole models among them."""
    return [name for name in NAMINGS if name in OPENMMLAB or _table(family, name) is not None]


def _table(family: str, naming: str) -> Names | None:
    table: Names | None = family_module(family).TABLES.get(naming)
    return table if table is not None and table.writable else None


def _own_state(module: nn.Module) -> dict[str, Tensor]:
    """The tensors of reader, backbone, neck and heads, without those that only training needs."""
    parts = {"backbone": getattr(module, "backbone", module)}
    for name in ("reader", "neck", "head", "auxiliary"):
        part = getattr(module, name, None) if parts["backbone"] is not module else None
        if part is not None:
            parts[name] = part
    return {
        f"{name}.{key}": tensor.detach().cpu()
        for name, part in parts.items()
        for key, tensor in part.state_dict().items()
    }


def _backbone_and_classifier(
    state: Mapping[str, Tensor], backbone: Any, naming: str
) -> dict[str, Tensor]:
    inner = _cut(state, BACKBONE)
    # Of some families whole networks are published, whose head has names in the same table.
    names = family_module(backbone.family)
    named, trained = getattr(names, "NAMED_HEAD", "head.fc."), getattr(names, "TRAINED_WITH", ())
    state = {key: tensor for key, tensor in state.items() if not key.startswith(trained)}
    classifier = {k: v for k, v in state.items() if k.startswith(named)}
    others = [k for k in state if not k.startswith(BACKBONE) and k not in classifier]
    if others and naming != "official":
        raise ConfigError(
            f"the names of {naming} are for classifiers; this model also has "
            f"'{others[0]}'. Write it as mmdet or mmseg, or only its backbone: "
            "to_naming(model.backbone, 'official')."
        )
    table = _table(backbone.family, naming)
    if table is None:
        known = ", ".join(available_namings(backbone.family))
        raise ConfigError(
            f"{naming} has no {type(backbone).__name__}, so that there are no names to write. "
            f"For this backbone there are: {known}."
        )
    if naming == "timm" and (backbone.dense or len(backbone.out_norms)):
        raise ConfigError(
            "timm has only classifiers: it has no names for the output norms of a backbone for "
            "dense prediction, and needs the last norm, which such a backbone lacks. Write it as "
            "official, mmdet or mmseg."
        )
    written = table.write({**inner, **classifier}, backbone)
    _check({**inner, **classifier}, to_ours(backbone.family, written), naming)
    return written


def _openmmlab(state: Mapping[str, Tensor], backbone: Any, naming: str) -> dict[str, Tensor]:
    parts = {key: v for key, v in state.items() if not key.startswith(BACKBONE)}
    is_segmentor = not mmdet.is_detector(parts)
    classifier = any(key.startswith("head.fc.") for key in parts)
    if any(key.startswith(_QUERY_HEAD) for key in parts):
        raise ConfigError(
            f"{naming} has no names for query detectors such as DINO; of these, official and mmdet "
            "name the backbone alone: to_naming(model.backbone, 'official')."
        )
    if not parts or classifier or is_segmentor != (naming == "mmseg"):
        kind = "segmentor" if naming == "mmseg" else "detector"
        raise ConfigError(f"{naming} names whole models: give a {kind}, with its neck and head.")
    inner = _cut(state, BACKBONE)
    # What OpenMMLab has of its own: `SwinTransformer`, and the `ConvNeXt` of mmpretrain.
    own = _table(backbone.family, "mmdet")
    if own is not None:
        written = own.write(inner, backbone)
        _check(inner, to_ours(backbone.family, written), naming)
        named = {BACKBONE + key: tensor for key, tensor in written.items()}
    else:
        named = {_OURS_WITHIN + key: tensor for key, tensor in inner.items()}
    pyramid, rest = _split_pyramid(parts)
    if pyramid and own is not None:
        raise ConfigError(
            f"{naming} has no names for '{next(iter(pyramid))}', a layer that makes a map which "
            f"this {type(backbone).__name__} lacks. Its maps need the strides 4, 8, 16 and 32."
        )
    named |= {_PYRAMID_WITHIN + key: tensor for key, tensor in pyramid.items()}
    heads = mmseg.write(rest) if naming == "mmseg" else mmdet.write(rest)
    wrapped = any(key.startswith(WRAPPED) for key in rest)
    read = mmseg.read(heads, wrapped=wrapped) if naming == "mmseg" else mmdet.read(heads)
    _check(rest, read, naming)
    return {**named, **heads}


def _split_pyramid(parts: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The layers that complete a pyramid, by their name within it, and all other parts."""
    pyramid, rest = {}, {}
    for key, tensor in parts.items():
        if key.startswith(("neck.fpn.", *HEADS)):
            rest[key] = tensor
        else:
            pyramid[key.removeprefix("neck.").removeprefix("pyramid.")] = tensor
    return pyramid, rest


def _cut(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def _check(ours: Mapping[str, Tensor], read: Mapping[str, Tensor], naming: str) -> None:
    """Compare the written tensors, read again, with their source."""
    different = sorted(ours.keys() ^ read.keys())
    different += [k for k in ours.keys() & read.keys() if not _equal(ours[k], read[k])]
    if different:
        raise WeightsError(
            f"'{different[0]}' has no counterpart in the names of {naming} "
            f"({len(different)} such tensors), so that the model cannot be written under them."
        )


def _equal(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and torch.equal(a, b.to(a.device))
