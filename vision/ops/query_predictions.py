"""Outputs of detectors whose queries each stand for one object.

B counts images, Q queries, K classes, L decoder layers, C channels of masks.
"""

from typing import NotRequired, TypedDict

from torch import Tensor

from vision.ops.denoising import NoisedQueries


class QueryPredictions(TypedDict):
    """What one layer predicts.

    Keys:
        logits: float `(B, Q, K)`, before the sigmoid.
        boxes: float `(B, Q, 4)`, (center x, center y, width, height) in (0, 1), as shares of the
            valid image.
        mask_codes: float `(B, Q, C)`; their dot products with the features of masks are the logits
            of the masks. Absent for detectors without masks.
    """

    logits: Tensor
    boxes: Tensor
    mask_codes: NotRequired[Tensor]


class QueryOutputs(TypedDict):
    """What a head gives its criterion.

    Keys:
        layers: Predictions of each decoder layer, first to last.
        selection: Predictions of the cells that the encoder selected as queries.
        denoising: Predictions of each decoder layer for noised objects, first to last; absent
            where there are none.
        noised: What these stand for; absent with them.
        mask_features: float `(B, C, h, w)` of the padded images at stride 4. Absent for detectors
            without masks.
        unused: float `()`, zero, through which parameters that took no part get a gradient of
            zero; distributed training waits for all.
    """

    layers: list[QueryPredictions]
    selection: QueryPredictions
    denoising: NotRequired[list[QueryPredictions]]
    noised: NotRequired[NoisedQueries]
    mask_features: NotRequired[Tensor]
    unused: Tensor
