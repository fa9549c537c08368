"""From the masks and classes of queries to the segments of an image.

N counts queries, K classes, D instances; H x W are pixels of the original image.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vision.contracts.detection import DetectionPrediction
from vision.contracts.panoptic import PanopticPrediction
from vision.ops.cluster_maps import ClusterMaps, cluster_maps, mask_rows
from vision.ops.masks import masks_to_boxes
from vision.ops.panoptic_merge import MergeOptions, merge_segments, rank_instances


class ImageSizes(NamedTuple):
    """The sizes of one image, each as height and width in pixels.

    Attributes:
        padded: Of the image that the network got.
        valid: Of the part of it that is no padding.
        original: Of the original image.
    """

    padded: tuple[int, int]
    valid: tuple[int, int]
    original: tuple[int, int]


@torch.no_grad()
def predict_panoptic(
    class_logits: Tensor,
    mask_logits: Tensor,
    sizes: ImageSizes,
    *,
    things: Sequence[int],
    merge: MergeOptions | None = None,
    semantic: bool = True,
    instances: bool = True,
) -> PanopticPrediction:
    """The segments of one image, as in kMaX-DeepLab's code.

    Mask logits are resized to the padded image, cut to its valid part and resized to the original
    size; the softmax over queries follows. Padding takes no part.

    Args:
        class_logits: float `(N, K + 1)`, the last one for no object.
        mask_logits: float `(N, h, w)`.
        sizes: Sizes of the image.
        things: Indices of the classes of countable objects.
        merge: Thresholds and order of the merging.
        semantic: Whether the class of each pixel is wanted.
        instances: Whether the instances of things are wanted.

    Returns:
        The prediction, on the device of the logits.
    """
    device = mask_logits.device
    classes = class_logits.float().softmax(dim=-1)[:, :-1]  # (N, K)
    rows = mask_rows(mask_logits, padded=sizes.padded, valid=sizes.valid, original=sizes.original)
    maps = cluster_maps(rows, classes, semantic=semantic)
    area, confidence = maps.area.cpu().numpy(), maps.confidence.cpu().numpy()
    shares = classes.cpu().numpy()
    ids, segments = merge_segments(
        maps.queries.cpu().numpy(), area, confidence, shares, things=things, options=merge
    )
    found: PanopticPrediction = {"mask": torch.from_numpy(ids).to(device), "segments": segments}
    if maps.semantic is not None:
        found["semantic"] = maps.semantic
    if instances:
        queries, labels, scores = rank_instances(area, confidence, shares, things=things)
        found["instances"] = _cut_instances(maps, queries, labels, scores)
    return found


def _cut_instances(
    maps: ClusterMaps, queries: np.ndarray, labels: np.ndarray, scores: np.ndarray
) -> DetectionPrediction:
    """Instances with their masks; those of queries without a pixel, whose score is 0, have none."""
    device, size = maps.queries.device, maps.queries.shape[1:]
    kept = maps.area.cpu().numpy()[queries] > 0
    masks = torch.zeros((int(kept.sum()), *size), dtype=torch.bool, device=device)
    for mask, query in zip(masks, queries[kept].tolist(), strict=True):
        torch.any(maps.queries == query, dim=0, out=mask)
    return {
        "boxes": masks_to_boxes(masks),
        "labels": torch.from_numpy(labels[kept]).to(device),
        "scores": torch.from_numpy(scores[kept]).float().to(device),
        "masks": masks,
    }
