"""Copy-paste between two segmented images, as kMaX-DeepLab is trained with.

"k-means Mask Transformer", Yu et al., 2022, arXiv 2207.04044; the rule for what is pasted is that
of the authors' code. "Simple Copy-Paste is a Strong Data Augmentation Method for Instance
Segmentation", Ghiasi et al., 2021, arXiv 2012.07177, pastes a random part of the objects:
`vision.data.transforms.copy_paste_objects`.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vision.annotations.panoptic import Segments
from vision.contracts.segments import VOID
from vision.data.transforms.rng import SampleRng
from vision.data.transforms.segment_map import SegmentMap, require_countable


class SegmentedImage(NamedTuple):
    """An image with its segments.

    Attributes:
        image: uint8 `(3, H, W)` RGB.
        segmented: Its segments, with the ids 1 to S, uint16.
    """

    image: Tensor
    segmented: SegmentMap


def choose_segments(segments: Segments, things: np.ndarray, rng: SampleRng) -> np.ndarray:
    """Choose which segments of an image are pasted.

    All things are, and of all segments in random order the first ones, whose number is uniformly
    distributed from none to all. Crowds never are.

    Args:
        segments: The segments.
        things: bool `(K,)`, which classes are things.
        rng: Random numbers of the sample.

    Returns:
        bool `(S,)`.
    """
    chosen = things[segments.labels] & ~segments.crowd
    possible = np.flatnonzero(~segments.crowd)
    chosen[possible[rng.subset(len(possible))]] = True
    return chosen


def paste_segments(
    base: SegmentedImage, other: SegmentedImage, chosen: np.ndarray, fill: tuple[int, int, int]
) -> SegmentedImage:
    """Paste segments of an image onto another, at the same place from the top left.

    Args:
        base: The image to paste onto.
        other: The image that the segments come from.
        chosen: bool `(S,)`, which of its segments are pasted.
        fill: Colour (R, G, B), 0..255, of the pixels beside those pasted beyond the base's edge.

    Returns:
        The image, made larger as far as pasted segments reach, and the segments of both, numbered
        on; those of the base that are covered have no pixel.

    Raises:
        DataError: Both have more than 65,535 segments.
    """
    mask = np.append(False, chosen)[other.segmented.ids]
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return base
    bottom, right = int(rows[-1]) + 1, int(columns[-1]) + 1
    mask = mask[:bottom, :right]
    ids, segments = base.segmented
    size = max(ids.shape[0], bottom), max(ids.shape[1], right)
    image = np.empty((3, *size), dtype=np.uint8)
    image[:] = np.array(fill, dtype=np.uint8)[:, None, None]
    image[:, : ids.shape[0], : ids.shape[1]] = base.image.numpy()
    np.copyto(image[:, :bottom, :right], other.image.numpy()[:, :bottom, :right], where=mask)
    require_countable(len(segments.ids) + len(chosen))
    joined = np.full(size, VOID, dtype=np.uint16)
    joined[: ids.shape[0], : ids.shape[1]] = ids
    added = other.segmented.ids[:bottom, :right] + np.uint16(len(segments.ids))
    np.copyto(joined[:bottom, :right], added, where=mask)
    both = (np.concatenate(parts) for parts in zip(segments, other.segmented.segments, strict=True))
    merged = Segments(*both)
    merged = merged._replace(ids=np.arange(1, len(merged.ids) + 1, dtype=np.int64))
    return SegmentedImage(torch.from_numpy(image), SegmentMap(joined, merged))
