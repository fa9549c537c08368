"""Detectors as mmdet 2 and 3 name them, and as the official detection code of the families does.

The backbone's names are converted by its family. Class order, order of anchors and of box deltas
and the flattening of region features are the same as ours, so that only names change.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from vision.documents.class_table import THINGS, coco_classes
from vision.errors import WeightsError
from vision.weights.names.operations import Operation, State, dropped
from vision.weights.names.table import Names, Row, within

# What a key of a detector begins with when it is not the backbone's.
_OTHER_PARTS = ("neck.lateral_convs.", "neck.fpn_convs.", "rpn_head.", "roi_head.", "bbox_head.")
# What only the head of one of our detectors has.
_OWN_PARTS = ("head.rpn.", "head.deltas", "head.distances")
_SCALE = re.compile(r"^bbox_head\.scales\.(\d+)\.scale$")
# The branches of FCOS have norms, the branches of RetinaNet only convolutions.
_OF_FCOS = re.compile(r"bbox_head\.(?:\w+_convs\.\d+\.(?:bn|gn|norm)|conv_cls|scales)\.")


def _split_extra_levels(state: State) -> dict[str, Tensor]:
    """Separate the convolutions of the extra levels from the output convolutions of the others."""
    laterals = {key.split(".")[3] for key in state if key.startswith("neck.fpn.laterals.")}
    return _move(state, "outputs", "extras", -len(laterals))


def _join_extra_levels(state: State, module: Any = None) -> dict[str, Tensor]:
    """Number the convolutions of extra levels after the output convolutions of the maps."""
    levels = {key.split(".")[3] for key in state if key.startswith("neck.fpn.outputs.")}
    return _move(state, "extras", "outputs", len(levels))


def _move(state: State, source: str, target: str, step: int) -> dict[str, Tensor]:
    """Rename the levels of an FPN from one list to another where the new number is not negative."""
    moved = {}
    for key, tensor in state.items():
        match = re.match(rf"neck\.fpn\.{source}\.(\d+)\.(.*)", key)
        if match and int(match[1]) + step >= 0:
            key = f"neck.fpn.{target}.{int(match[1]) + step}.{match[2]}"
        moved[key] = tensor
    return moved


def _stack_scales(state: State) -> dict[str, Tensor]:
    """Stack the scales of FCOS into one parameter `(levels,)`."""
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


def _split_scales(state: State, module: Any = None) -> dict[str, Tensor]:
    """Give each level of FCOS its own scale."""
    split = {key: tensor for key, tensor in state.items() if key != "head.scales"}
    for level, scale in enumerate(state.get("head.scales", ())):
        split[f"bbox_head.scales.{level}.scale"] = scale.clone()
    return split


def conv_module(theirs: str, ours: str, *, norm: str = "bn") -> list[Row]:
    """Rows of a `ConvModule` of mmcv, whose norm has the name of its kind there."""
    norms = dict.fromkeys((norm, "bn", "gn", "norm"))
    return [*((f"{theirs}{name}.", f"{ours}norm.") for name in norms), (theirs, ours)]


def _regions(theirs: str, ours: str) -> list[Row]:
    """Rows of the box and mask heads of a stage, by what stands there for its number."""
    boxes = within(
        f"roi_head.bbox_head.{theirs}",
        f"head.box_heads.{ours}.",
        ("shared_fcs.", "fcs."),
        *conv_module("shared_convs.{j}.", "convs.{j}."),
        ("fc_cls.", "logits."),
        ("fc_reg.", "deltas."),
    )
    masks = within(
        f"roi_head.mask_head.{theirs}",
        f"head.mask_heads.{ours}.",
        ("convs.{j}.conv.", "convs.{j}."),
        ("upsample.", "upsample."),
        ("conv_logits.", "logits."),
    )
    return [*boxes, *masks]


_RPN = within(
    "rpn_head.",
    "head.rpn.",
    ("rpn_conv.", "conv."),
    ("rpn_cls.", "logits."),
    ("rpn_reg.", "deltas."),
)
FPN_ROWS: list[Row] = [
    ("neck.lateral_convs.{i}.conv.", "neck.fpn.laterals.{i}."),
    ("neck.fpn_convs.{i}.conv.", "neck.fpn.outputs.{i}."),
]
FPN_LEVELS = Operation(_split_extra_levels, _join_extra_levels)
# Mean and deviation of the pixels, which the task has.
PIXELS = dropped(r"^data_preprocessor\.")
_ONE_STAGE, _STAGES = _regions("", "0"), _regions("{i}.", "{i}")
_ROWS = {
    # The parts of the head of one stage have no number of a stage.
    "two_stage": [*_RPN, *_ONE_STAGE, *_STAGES],
    "cascade": [*_RPN, *_STAGES],
    "retinanet": within(
        "bbox_head.",
        "head.",
        ("cls_convs.{i}.conv.", "class_convs.{i}."),
        ("reg_convs.{i}.conv.", "box_convs.{i}."),
        ("retina_cls.", "logits."),
        ("retina_reg.", "deltas."),
    ),
    "fcos": within(
        "bbox_head.",
        "head.",
        *conv_module("cls_convs.{i}.", "class_convs.{i}.", norm="gn"),
        *conv_module("reg_convs.{i}.", "box_convs.{i}.", norm="gn"),
        ("conv_cls.", "logits."),
        ("conv_reg.", "distances."),
        ("conv_centerness.", "centerness."),
    ),
}
_OPERATIONS = [PIXELS, FPN_LEVELS, Operation(_stack_scales, _split_scales)]
TABLES = {kind: Names([*FPN_ROWS, *rows], _OPERATIONS) for kind, rows in _ROWS.items()}


def is_mmdet(keys: set[str]) -> bool:
    """Whether these are keys of a detector of mmdet."""
    return any(key.startswith(_OTHER_PARTS) for key in keys)


def is_detector(names: Iterable[str]) -> bool:
    """Whether these are parameters of one of our detectors, and not of a segmentor."""
    return any(name.startswith(_OWN_PARTS) for name in names)


def read(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename neck and head of a detector to ours.

    Args:
        state: Tensor by key of a whole detector, without the keys of its backbone.

    Returns:
        The tensors under `neck.` and `head.`; what has no counterpart keeps its key.

    Raises:
        WeightsError: The scales of FCOS do not belong to successive levels.
    """
    if any(key.startswith(("rpn_head.", "roi_head.")) for key in state):
        return TABLES["two_stage"].read(state)
    return TABLES["fcos" if any(map(_OF_FCOS.match, state)) else "retinanet"].read(state)


def write(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename neck and head of one of our detectors.

    Args:
        state: Tensor by key, under `neck.fpn.` and `head.`.

    Returns:
        The tensors under `neck.`, `rpn_head.`, `roi_head.` and `bbox_head.`.
    """
    if any(key.startswith("head.rpn.") for key in state):
        cascade = any(key.startswith("head.box_heads.1.") for key in state)
        return TABLES["cascade" if cascade else "two_stage"].write(state)
    fcos = any(key.startswith("head.distances.") for key in state)
    return TABLES["fcos" if fcos else "retinanet"].write(state)


def default_class_names(state: Mapping[str, Tensor]) -> list[str] | None:
    """Class names of an mmdet detector whose checkpoint has none.

    Args:
        state: Tensor by key of a whole checkpoint.

    Returns:
        COCO's names for a detector of 80 classes; None for anything else.
    """
    return list(coco_classes()) if _count_classes(state) == THINGS else None


def _count_classes(state: Mapping[str, Tensor]) -> int | None:
    for key in ("roi_head.bbox_head.fc_cls.bias", "roi_head.bbox_head.0.fc_cls.bias"):
        if key in state:
            return len(state[key]) - 1  # the last is the background
    if "bbox_head.conv_cls.bias" in state:
        return len(state["bbox_head.conv_cls.bias"])
    logits, deltas = (state.get(f"bbox_head.retina_{name}.bias") for name in ("cls", "reg"))
    # Four deltas for each anchor of a cell.
    return None if logits is None or deltas is None else 4 * len(logits) // len(deltas)
