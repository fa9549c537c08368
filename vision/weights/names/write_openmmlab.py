"""Our names of backbones, necks and heads to those of mmdet 3 and mmsegmentation 1."""

import re
from collections.abc import Iterable, Mapping

from torch import Tensor

from vision.weights.names.rename import Rules, rename
from vision.weights.names.write_families import State, Writer, index_buffers

_MAX_STAGES = 10
_NUMBERED_NORMS = (r"^out_norms\.(\d+)\.", r"norm\1.")
_SWIN = [
    (r"^patch_embed\.proj\.", "patch_embed.projection."),
    (r"\.attn\.", ".attn.w_msa."),
    (r"\.mlp\.fc1\.", ".ffn.layers.0.0."),
    (r"\.mlp\.fc2\.", ".ffn.layers.1."),
    (r"^stages\.(\d+)\.(\d+)\.", r"stages.\1.blocks.\2."),
    *((rf"^merges\.{i + 1}\.", f"stages.{i}.downsample.") for i in range(_MAX_STAGES)),
    _NUMBERED_NORMS,
]
_CONVNEXT = [
    (r"^downsample\.", "downsample_layers."),
    (r"^(stages\.\d+\.\d+)\.conv\.", r"\1.depthwise_conv."),
    (r"\.mlp\.fc([12])\.", r".pointwise_conv\1."),
    _NUMBERED_NORMS,
]
_FPN = [
    (r"^neck\.fpn\.laterals\.(\d+)\.", r"neck.lateral_convs.\1.conv."),
    (r"^neck\.fpn\.outputs\.(\d+)\.", r"neck.fpn_convs.\1.conv."),
]
_BOXES, _MASKS = r"^head\.box_heads\.(\d+)\.", r"^head\.mask_heads\.(\d+)\."
_TWO_STAGE = [
    (r"^head\.rpn\.conv\.", "rpn_head.rpn_conv."),
    (r"^head\.rpn\.logits\.", "rpn_head.rpn_cls."),
    (r"^head\.rpn\.deltas\.", "rpn_head.rpn_reg."),
    (_BOXES + r"fcs\.", r"roi_head.bbox_head.\1.shared_fcs."),
    (_BOXES + r"convs\.", r"roi_head.bbox_head.\1.shared_convs."),
    (_BOXES + r"logits\.", r"roi_head.bbox_head.\1.fc_cls."),
    (_BOXES + r"deltas\.", r"roi_head.bbox_head.\1.fc_reg."),
    (_MASKS + r"convs\.(\d+)\.", r"roi_head.mask_head.\1.convs.\2.conv."),
    (_MASKS + r"upsample\.", r"roi_head.mask_head.\1.upsample."),
    (_MASKS + r"logits\.", r"roi_head.mask_head.\1.conv_logits."),
    (r"(\.shared_convs\.\d+)\.norm\.", r"\1.bn."),
]
# The classes of the head of one stage have no number of a stage.
_ONE_STAGE = [(r"^roi_head\.(bbox|mask)_head\.0\.", r"roi_head.\1_head.")]
_RETINANET = [
    (r"^head\.class_convs\.(\d+)\.", r"bbox_head.cls_convs.\1.conv."),
    (r"^head\.box_convs\.(\d+)\.", r"bbox_head.reg_convs.\1.conv."),
    (r"^head\.logits\.", "bbox_head.retina_cls."),
    (r"^head\.deltas\.", "bbox_head.retina_reg."),
]
_FCOS = [
    (r"^head\.class_convs\.", "bbox_head.cls_convs."),
    (r"^head\.box_convs\.", "bbox_head.reg_convs."),
    (r"^(bbox_head\..*)\.norm\.", r"\1.gn."),
    (r"^head\.logits\.", "bbox_head.conv_cls."),
    (r"^head\.distances\.", "bbox_head.conv_reg."),
    (r"^head\.centerness\.", "bbox_head.conv_centerness."),
]
_EITHER = r"^(head|auxiliary)\."
_SEGMENTOR = [
    (_EITHER + r"pools\.(\d+)\.", r"\1.psp_modules.\2.1."),
    (_EITHER + r"laterals\.", r"\1.lateral_convs."),
    (_EITHER + r"outputs\.", r"\1.fpn_convs."),
    (_EITHER + r"concat\.", r"\1.conv_cat."),
    (_EITHER + r"classifier\.", r"\1.conv_seg."),
    *((_EITHER + rf"scales\.(\d+)\.{i}\.", rf"\1.scale_heads.\2.{2 * i}.") for i in range(8)),
    (_EITHER + r"(.*)\.norm\.", r"\1.\2.bn."),
]
_SEGFORMER = [
    (r"^head\.fusion\.", "head.fusion_conv."),
    (r"^head\.projections\.", "head.convs."),
]
_UPERNET = [(_EITHER + r"fusion\.", r"\1.fpn_bottleneck.")]
_WHOLE = [(r"^head\.", "decode_head."), (r"^auxiliary\.", "auxiliary_head.")]

# What only the head of a detector has.
_OF_DETECTORS = ("head.rpn.", "head.deltas", "head.distances")


def _swin(state: State, backbone: object) -> dict[str, Tensor]:
    ordered = {k: _unmerge(v) if k.startswith("merges.") else v for k, v in state.items()}
    return rename({**ordered, **index_buffers(backbone)}, _SWIN)


def _unmerge(tensor: Tensor) -> Tensor:
    """Order the last axis of patch merging, 4 * C, as mmdet: channels, then neighbours by rows."""
    by_neighbour = tensor.unflatten(-1, (4, -1))[..., [0, 2, 1, 3], :]  # (..., 4, C)
    return by_neighbour.transpose(-1, -2).flatten(-2)


# Family -> what OpenMMLab has of its own: `SwinTransformer`, and the `ConvNeXt` of mmpretrain.
OWN_CLASSES: dict[str, Writer] = {
    "swin": _swin,
    "convnext": lambda state, backbone: rename(state, _CONVNEXT),
}


def is_detector(names: Iterable[str]) -> bool:
    """Whether parameters are those of a detector, and not of a segmentor."""
    return any(name.startswith(_OF_DETECTORS) for name in names)


def detector_parts(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Name neck and head of a detector as mmdet does.

    Args:
        state: Tensor by key, under `neck.fpn.` and `head.`.

    Returns:
        The tensors under `neck.`, `rpn_head.`, `roi_head.` and `bbox_head.`.
    """
    state = _one_scale_per_level(_fpn(state))
    if not any(key.startswith("head.rpn.") for key in state):
        fcos = any(key.startswith("head.distances.") for key in state)
        return rename(state, _FCOS if fcos else _RETINANET)
    renamed = rename(state, _TWO_STAGE)
    cascade = any(key.startswith("head.box_heads.1.") for key in state)
    return renamed if cascade else rename(renamed, _ONE_STAGE)


def segmentor_parts(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Name neck and heads of a segmentor as mmsegmentation does.

    Args:
        state: Tensor by key, under `neck.fpn.`, `head.` and `auxiliary.`.

    Returns:
        The tensors under `neck.`, `decode_head.` and `auxiliary_head.`.
    """
    state = _fpn(state)
    if any(key.startswith("head.head.") for key in state):
        return rename(state, _around_theirs(state))
    segformer = any(key.startswith("head.projections.") for key in state)
    return rename(state, [*_SEGMENTOR, *(_SEGFORMER if segformer else _UPERNET), *_WHOLE])


def _around_theirs(state: Mapping[str, Tensor]) -> Rules:
    """The rules for heads of mmsegmentation within ours; a cascade numbers its two."""
    cascade = any(key.startswith("head.previous.") for key in state)
    last = "decode_head.1." if cascade else "decode_head."
    return [
        (r"^head\.previous\.", "decode_head.0."),
        (r"^head\.head\.", last),
        (r"^head\.auxiliary\.", "auxiliary_head."),
    ]


def _fpn(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Count the convolutions of extra levels on from those of the maps."""
    levels = sum(bool(re.match(r"neck\.fpn\.outputs\.\d+\.weight$", key)) for key in state)
    named = {}
    for key, tensor in state.items():
        match = re.match(r"neck\.fpn\.extras\.(\d+)\.(.*)", key)
        if match:
            key = f"neck.fpn_convs.{levels + int(match[1])}.conv.{match[2]}"
        named[key] = tensor
    return rename(named, _FPN)


def _one_scale_per_level(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give each level of FCOS a factor of its own."""
    apart = {key: tensor for key, tensor in state.items() if key != "head.scales"}
    for level, scale in enumerate(state.get("head.scales", ())):
        apart[f"bbox_head.scales.{level}.scale"] = scale.clone()
    return apart
