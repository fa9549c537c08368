"""Training samples of a two-stage detector, from its head to its criterion.

S counts the places of a sample, P objects with masks.
"""

from typing import Literal, NotRequired, TypedDict, get_args

import torch
from torch import Tensor

from vision.errors import ConfigError
from vision.ops.tracing import is_traced

# How the logits of a proposal become probabilities.
Classifier = Literal["softmax", "sigmoid"]


def check_classifier(name: str) -> Classifier:
    """A classifier by name.

    Raises:
        ConfigError: There is none of that name.
    """
    for known in get_args(Classifier):
        if name == known:
            return known
    raise ConfigError(f"classifier={name!r} must be 'softmax' or 'sigmoid'.")


class AnchorSamples(TypedDict):
    """Sampled anchors for the region proposal network.

    Keys:
        logits: float `(B, S)`, before the sigmoid.
        deltas: float `(B, S, 4)`, predicted.
        target_deltas: float `(B, S, 4)`, which turn the anchors into their objects.
        positive: bool `(B, S)`, whether there is an object.
        valid: bool `(B, S)`, whether the place counts.
    """

    logits: Tensor
    deltas: Tensor
    target_deltas: Tensor
    positive: Tensor
    valid: Tensor


class BoxSamples(TypedDict):
    """Sampled proposals of one stage.

    Keys:
        logits: float `(B, S, K + 1)`, before the softmax or the sigmoid, background last.
        labels: int64 `(B, S)`, class of the object, or K.
        deltas: float `(B, S, 4)`, predicted for that class.
        target_deltas: float `(B, S, 4)`, which turn the proposals into their objects.
        boxes: float `(B, S, 4)`, the proposals after the predicted deltas, not clipped.
        target_boxes: float `(B, S, 4)`, the objects.
        positive: bool `(B, S)`, whether there is an object.
        valid: bool `(B, S)`, whether the place counts.
        weight: Weight of the stage in the loss.
        masks: Absent for detectors of boxes only.
    """

    logits: Tensor
    labels: Tensor
    deltas: Tensor
    target_deltas: Tensor
    boxes: Tensor
    target_boxes: Tensor
    positive: Tensor
    valid: Tensor
    weight: float
    masks: NotRequired["MaskSamples"]


class MaskSamples(TypedDict):
    """Masks of the positive proposals of one stage.

    Keys:
        logits: float `(P, h, w)`, before the sigmoid, of the class of the object; P >= 1.
        targets: float32 `(P, h, w)` of 0 and 1.
        weight: float32 `(P,)`, 0 for the one that stands in where there are no positives.
    """

    logits: Tensor
    targets: Tensor
    weight: Tensor


class TwoStageOutputs(TypedDict):
    """All samples of a batch.

    Keys:
        anchors: Samples of the region proposal network.
        stages: Samples of each stage of the box branch.
    """

    anchors: AnchorSamples
    stages: list[BoxSamples]


def pick_class(values: Tensor, labels: Tensor) -> Tensor:
    """The values of each row for its class.

    Args:
        values: `(R, G, ...)`, G the number of classes, or 1 where they share their values.
        labels: int64 `(R,)`; those beyond the last class (the background) take the first.

    Returns:
        `(R, ...)`.
    """
    groups = values.shape[1]
    place = labels.masked_fill(labels >= groups, 0)
    place = place.view(-1, *[1] * (values.dim() - 1)).expand(-1, 1, *values.shape[2:])
    return values.gather(1, place).squeeze(1)


def rows_to_run(valid: Tensor, *, exact: bool) -> Tensor:
    """Rows of a table with empty places that a network must process.

    On a CPU, work on empty rows costs more than finding the others; on a GPU that would wait for
    the device, and in an exported program it would give a size that depends on the data.

    Args:
        valid: bool `(R,)`, the rows that are filled.
        exact: Whether empty rows must not be seen, such as by a batch norm.

    Returns:
        int64 indices, at least one, so that every parameter takes part.
    """
    if is_traced() or not (exact or valid.is_cpu):
        return torch.arange(len(valid), device=valid.device)
    rows = valid.nonzero().squeeze(1)
    return rows if len(rows) else torch.zeros(1, dtype=torch.long, device=valid.device)
