"""Outputs of heads that cluster pixels with queries."""

from typing import NotRequired, TypedDict

from torch import Tensor

from vision.ops.interpolation import resize_bilinear


class QueryMasks(TypedDict):
    """The masks of N queries.

    Keys:
        mask_logits: float `(B, N, h, w)`, before the softmax over queries.
        pixel_features: float `(B, C, h, w)`, of unit length over C.
    """

    mask_logits: Tensor
    pixel_features: Tensor


class MaskPredictions(QueryMasks):
    """What one decoder layer predicts for N queries: masks and classes.

    Keys:
        class_logits: float `(B, N, K + 1)`, before the softmax; the last one means no object.
    """

    class_logits: Tensor


class ClusterPredictions(QueryMasks):
    """What one decoder layer predicts for N queries: masks and values.

    Keys:
        values: float `(B, C, N)`, the values of each query, such as its depth.
    """

    values: Tensor


class MaskTransformerOutputs(MaskPredictions):
    """The last predictions of a mask transformer, and what else is supervised.

    Keys:
        layers: Predictions of each decoder layer, first to last, each at its own resolution.
        semantic_logits: float `(B, K', h, w)` of the semantic branch; absent in evaluation, and
            where there is none.
    """

    layers: list[MaskPredictions]
    semantic_logits: NotRequired[Tensor]


def resize_predictions(predictions: MaskPredictions, size: tuple[int, int]) -> MaskPredictions:
    """Resize predictions to the resolution of others, to be compared with the same targets.

    Corners are aligned if the height is odd, as in kMaX-DeepLab. Features are not normalised again.

    Args:
        predictions: Those of a decoder layer.
        size: Height H and width W.

    Returns:
        The same with masks `(B, N, H, W)` and features `(B, C, H, W)`.
    """
    aligned = size[0] % 2 == 1
    return {
        "class_logits": predictions["class_logits"],
        "mask_logits": resize_bilinear(predictions["mask_logits"], size, align_corners=aligned),
        "pixel_features": resize_bilinear(
            predictions["pixel_features"], size, align_corners=aligned
        ),
    }
