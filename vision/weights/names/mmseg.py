"""Models for segmentation as mmsegmentation 0.x and 1.x name them, and official segmentation code.

The backbone's names are converted by its family. The order of classes, maps and concatenated
channels is the same as ours, so that only names change.
"""

from collections.abc import Mapping

from torch import Tensor

from vision.weights.names.mmdet import FPN_LEVELS, FPN_ROWS, PIXELS, conv_module
from vision.weights.names.table import Names, Row, within

_HEAD, _AUXILIARY = "decode_head.", "auxiliary_head."
# SegFormer's projections have the name of FCN's convolutions.
_FUSED = _HEAD + "fusion_conv."


def _head(theirs: str, ours: str, *own: Row) -> list[Row]:
    """Rows of a head; rows that only some heads have come first."""
    return within(
        theirs,
        ours,
        *own,
        *conv_module("psp_modules.{i}.1.", "pools.{i}."),
        *conv_module("lateral_convs.{i}.", "laterals.{i}."),
        *conv_module("fpn_convs.{i}.", "outputs.{i}."),
        *conv_module("bottleneck.", "bottleneck."),
        *conv_module("fpn_bottleneck.", "fusion."),
        *conv_module("conv_cat.", "concat."),
        *conv_module("convs.{i}.", "convs.{i}."),
        # Every second module of theirs is an enlargement.
        *conv_module("scale_heads.{i}.{2*j}.", "scales.{i}.{j}."),
        ("conv_seg.", "classifier."),
        ("", ""),
    )


_SEGFORMER = [
    *conv_module("fusion_conv.", "fusion."),
    *conv_module("convs.{i}.", "projections.{i}."),
]
_AUXILIARY_HEAD = _head(_AUXILIARY, "auxiliary.")
# Our head around theirs has it, the head of a cascade before it and the auxiliary one as parts.
_AROUND = [(_AUXILIARY, "head.auxiliary.")]
_CASCADE = [(_HEAD + "0.", "head.previous."), (_HEAD + "1.", "head.head.")]
_ROWS = {
    "upernet": [*_head(_HEAD, "head."), *_AUXILIARY_HEAD],
    "segformer": [*_head(_HEAD, "head.", *_SEGFORMER), *_AUXILIARY_HEAD],
    "around": [(_HEAD, "head.head."), *_AROUND],
    "around_cascade": [*_CASCADE, (_HEAD, "head.head."), *_AROUND],
}
# The FPN is the same class as in mmdet.
TABLES = {kind: Names([*FPN_ROWS, *rows], [PIXELS, FPN_LEVELS]) for kind, rows in _ROWS.items()}


def is_mmseg(keys: set[str]) -> bool:
    """Whether these are keys of a segmentor of mmsegmentation."""
    return any(key.startswith((_HEAD, _AUXILIARY)) for key in keys)


def read(state: Mapping[str, Tensor], *, wrapped: bool = False) -> dict[str, Tensor]:
    """Rename neck and heads of a segmentor to ours.

    Args:
        state: Tensor by key of a whole segmentor, without the keys of its backbone.
        wrapped: Whether the heads are mmsegmentation's own within `MMSegHead`, and not ours.

    Returns:
        The tensors under `neck.`, `head.` and `auxiliary.` (of wrapped heads under `head.`); what
        has no counterpart keeps the rest of its key.
    """
    if wrapped:
        return TABLES["around_cascade"].read(state)
    fused = any(key.startswith(_FUSED) for key in state)
    return TABLES["segformer" if fused else "upernet"].read(state)


def write(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename neck and heads of one of our segmentors.

    Args:
        state: Tensor by key, under `neck.fpn.`, `head.` and `auxiliary.`.

    Returns:
        The tensors under `neck.`, `decode_head.` and `auxiliary_head.`.
    """
    if any(key.startswith("head.head.") for key in state):
        cascade = any(key.startswith("head.previous.") for key in state)
        return TABLES["around_cascade" if cascade else "around"].write(state)
    segformer = any(key.startswith("head.projections.") for key in state)
    return TABLES["segformer" if segformer else "upernet"].write(state)
