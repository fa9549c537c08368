"""Models for segmentation as mmsegmentation 0.x and 1.x name them, and official segmentation code.

The names of the backbone are the family's own affair. The order of classes, maps and concatenated
channels is the same as ours, so that names alone change.
"""

import re
from collections.abc import Mapping

from torch import Tensor

from vision.weights.names import mmdet
from vision.weights.names.rename import drop, rename

_HEAD, _AUXILIARY = "decode_head.", "auxiliary_head."
_NORM = r"\.(?:bn|gn|norm)\."
# Of either head. Scales follow apart: every second module of theirs is an enlargement.
_RULES = [
    (r"^(head|auxiliary)\.psp_modules\.(\d+)\.1\.", r"\1.pools.\2."),
    (r"^(head|auxiliary)\.lateral_convs\.", r"\1.laterals."),
    (r"^(head|auxiliary)\.fpn_convs\.", r"\1.outputs."),
    (r"^(head|auxiliary)\.fpn_bottleneck\.", r"\1.fusion."),
    (r"^(head|auxiliary)\.fusion_conv\.", r"\1.fusion."),
    (r"^(head|auxiliary)\.conv_cat\.", r"\1.concat."),
    (r"^(head|auxiliary)\.conv_seg\.", r"\1.classifier."),
    (r"^((?:head|auxiliary)\..*)" + _NORM, r"\1.norm."),
]
_SCALE = re.compile(r"^(head|auxiliary)\.scale_heads\.(\d+)\.(\d+)\.")
# The maps of SegFormer are projected by what FCN calls a convolution.
_FUSED = _HEAD + "fusion_conv."
_PROJECTIONS = [(r"^head\.convs\.", "head.projections.")]
# Our head around theirs has it, the head of a cascade before it and the auxiliary one as parts.
_WRAPPED = [
    (r"^decode_head\.0\.", "head.previous."),
    (r"^decode_head\.1\.", "head.head."),
    (r"^decode_head\.", "head.head."),
    (r"^auxiliary_head\.", "head.auxiliary."),
]
# Mean and deviation of the pixels, which the task has.
_UNUSED = r"^data_preprocessor\."


def is_mmseg(keys: set[str]) -> bool:
    """Whether these are keys of a segmentor of mmsegmentation."""
    return any(key.startswith((_HEAD, _AUXILIARY)) for key in keys)


def convert(state: Mapping[str, Tensor], *, wrapped: bool = False) -> dict[str, Tensor]:
    """Rename neck and heads of a segmentor to ours.

    Args:
        state: Tensor by key of a whole segmentor, without the keys of its backbone.
        wrapped: Whether the heads are mmsegmentation's own within `MMSegHead`, and not ours.

    Returns:
        The tensors under `neck.`, `head.` and `auxiliary.` (of wrapped heads under `head.`); what
        has no counterpart keeps the rest of its key.
    """
    # The FPN is the same class as in mmdet.
    state = mmdet.convert(drop(state, _UNUSED))
    if wrapped:
        return rename(state, _WRAPPED)
    fused = any(key.startswith(_FUSED) for key in state)
    state = rename(state, [(r"^decode_head\.", "head."), (r"^auxiliary_head\.", "auxiliary.")])
    state = rename(state, [*(_PROJECTIONS if fused else []), *_RULES])
    return {_count_scales(key): tensor for key, tensor in state.items()}


def _count_scales(key: str) -> str:
    return _SCALE.sub(lambda found: f"{found[1]}.scales.{found[2]}.{int(found[3]) // 2}.", key)
