"""Detectors as mmdet 2 and 3 name them, and as the official detection code of the families does.

The names of the backbone are the family's own affair. Class order, order of anchors and of box
deltas and the flattening of region features are the same as ours, so that names alone change.
"""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from vision.errors import WeightsError
from vision.weights.coco_classes import COCO_CLASSES
from vision.weights.names.rename import drop, rename

# What a key of a detector begins with when it is not the backbone's.
_OTHER_PARTS = ("neck.lateral_convs.", "neck.fpn_convs.", "rpn_head.", "roi_head.", "bbox_head.")
# The classes of the head of one stage have no number of a stage.
_BOXES = r"^roi_head\.bbox_head\."
_MASKS = r"^roi_head\.mask_head\."
_NORM = r"(?:bn|gn|norm)\."
_RULES = [
    (r"^neck\.lateral_convs\.(\d+)\.conv\.", r"neck.fpn.laterals.\1."),
    (r"^neck\.fpn_convs\.(\d+)\.conv\.", r"neck.fpn.outputs.\1."),
    (r"^rpn_head\.rpn_conv\.", "head.rpn.conv."),
    (r"^rpn_head\.rpn_cls\.", "head.rpn.logits."),
    (r"^rpn_head\.rpn_reg\.", "head.rpn.deltas."),
    (_BOXES + r"(?=[a-z])", "roi_head.bbox_head.0."),
    (_BOXES + r"(\d+)\.shared_fcs\.", r"head.box_heads.\1.fcs."),
    (_BOXES + r"(\d+)\.shared_convs\.(\d+)\.conv\.", r"head.box_heads.\1.convs.\2.conv."),
    (_BOXES + r"(\d+)\.shared_convs\.(\d+)\." + _NORM, r"head.box_heads.\1.convs.\2.norm."),
    (_BOXES + r"(\d+)\.fc_cls\.", r"head.box_heads.\1.logits."),
    (_BOXES + r"(\d+)\.fc_reg\.", r"head.box_heads.\1.deltas."),
    (_MASKS + r"(?=[a-z])", "roi_head.mask_head.0."),
    (_MASKS + r"(\d+)\.convs\.(\d+)\.conv\.", r"head.mask_heads.\1.convs.\2."),
    (_MASKS + r"(\d+)\.upsample\.", r"head.mask_heads.\1.upsample."),
    (_MASKS + r"(\d+)\.conv_logits\.", r"head.mask_heads.\1.logits."),
    (r"^bbox_head\.retina_cls\.", "head.logits."),
    (r"^bbox_head\.retina_reg\.", "head.deltas."),
    (r"^bbox_head\.conv_cls\.", "head.logits."),
    (r"^bbox_head\.conv_reg\.", "head.distances."),
    (r"^bbox_head\.conv_centerness\.", "head.centerness."),
]
# The branches of FCOS have norms, those of RetinaNet bare convolutions.
_WITH_NORMS = [
    (r"^bbox_head\.cls_convs\.(\d+)\.conv\.", r"head.class_convs.\1.conv."),
    (r"^bbox_head\.reg_convs\.(\d+)\.conv\.", r"head.box_convs.\1.conv."),
    (r"^bbox_head\.cls_convs\.(\d+)\." + _NORM, r"head.class_convs.\1.norm."),
    (r"^bbox_head\.reg_convs\.(\d+)\." + _NORM, r"head.box_convs.\1.norm."),
]
_WITHOUT_NORMS = [
    (r"^bbox_head\.cls_convs\.(\d+)\.conv\.", r"head.class_convs.\1."),
    (r"^bbox_head\.reg_convs\.(\d+)\.conv\.", r"head.box_convs.\1."),
]
_SCALE = re.compile(r"^bbox_head\.scales\.(\d+)\.scale$")
# Mean and deviation of the pixels, which the task has.
_UNUSED = r"^data_preprocessor\."


def is_mmdet(keys: set[str]) -> bool:
    """Whether these are keys of a detector of mmdet."""
    return any(key.startswith(_OTHER_PARTS) for key in keys)


def convert(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename neck and head of a detector to ours.

    Args:
        state: Tensor by key of a whole detector, without the keys of its backbone.

    Returns:
        The tensors under `neck.` and `head.`; what has no counterpart keeps its key.

    Raises:
        WeightsError: The scales of FCOS are not those of successive levels.
    """
    state = _as_extra_levels(_stack_scales(drop(state, _UNUSED)))
    norms = any(re.match(rf"bbox_head\.\w+_convs\.\d+\.{_NORM}", key) for key in state)
    return rename(state, [*_RULES, *(_WITH_NORMS if norms else _WITHOUT_NORMS)])


def default_class_names(state: Mapping[str, Tensor]) -> list[str] | None:
    """Names of the classes of a detector of mmdet that does not say them.

    Args:
        state: Tensor by key of a whole checkpoint.

    Returns:
        Those of COCO for a detector of 80 classes; None for anything else.
    """
    known = _count_classes(state) == len(COCO_CLASSES)
    return list(COCO_CLASSES) if known else None


def _count_classes(state: Mapping[str, Tensor]) -> int | None:
    for key in ("roi_head.bbox_head.fc_cls.bias", "roi_head.bbox_head.0.fc_cls.bias"):
        if key in state:
            return len(state[key]) - 1  # the last is the background
    if "bbox_head.conv_cls.bias" in state:
        return len(state["bbox_head.conv_cls.bias"])
    logits, deltas = (state.get(f"bbox_head.retina_{name}.bias") for name in ("cls", "reg"))
    # Four deltas for each anchor of a cell.
    return None if logits is None or deltas is None else 4 * len(logits) // len(deltas)


def _as_extra_levels(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tell the output convolutions of the extra levels from those of the lateral ones."""
    laterals = {key.split(".")[2] for key in state if key.startswith("neck.lateral_convs.")}
    renamed = {}
    for key, tensor in state.items():
        match = re.match(r"neck\.fpn_convs\.(\d+)\.conv\.(.*)", key)
        if match and int(match[1]) >= len(laterals):
            key = f"neck.fpn.extras.{int(match[1]) - len(laterals)}.{match[2]}"
        renamed[key] = tensor
    return renamed


def _stack_scales(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Make one parameter `(levels,)` of the factors of FCOS."""
    scales = {int(match[1]): key for key in state if (match := _SCALE.match(key))}
    if not scales:
        return dict(state)
    if sorted(scales) != list(range(len(scales))):
        raise WeightsError(
            f"the weights hold 'bbox_head.scales' of the levels {sorted(scales)}, expected one for "
            "each level from 0; the file has lost some of its keys."
        )
    rest = {key: tensor for key, tensor in state.items() if key not in scales.values()}
    stacked = torch.stack([state[scales[level]].reshape(()) for level in range(len(scales))])
    return {**rest, "head.scales": stacked}
