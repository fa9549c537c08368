"""Targets of heads that cluster pixels with queries.

Shapes: B images of H x W pixels, M places for segments, maps of h x w cells.
"""

from collections.abc import Sequence
from typing import TypedDict

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from vision.contracts.segmentation import IGNORED
from vision.contracts.segments import VOID, SegmentInfo


class MaskTargets(TypedDict):
    """The segments of B images, in M places for each, at the resolution of the predictions.

    Keys:
        labels: int64 `(B, M)` class of each segment; -1 in empty places.
        masks: bool `(B, M, h, w)` pixels of each segment; none in empty places. A pixel of no
            segment is void, and takes part in no loss.
        semantic: int64 `(B, h, w)` class of each pixel, `IGNORED` where there is none.
    """

    labels: Tensor
    masks: Tensor
    semantic: Tensor


def make_mask_targets(
    masks: Tensor, segments: Sequence[Sequence[SegmentInfo]], size: tuple[int, int]
) -> MaskTargets:
    """Turn the segments of a batch into targets at the resolution of the predictions.

    As in kMaX-DeepLab: every fourth row and column is taken for maps of stride 4, segments without
    a pixel among them vanish, stuff of one class is one segment, and crowds are void.

    Args:
        masks: int `(B, H, W)` segment ids.
        segments: The segments of each image.
        size: Height h and width w of the predictions.
    """
    # One copy from the device, which waits for it; what comes back does not.
    taken = stride_to(masks, size).cpu()
    found = [_separate(ids, infos) for ids, infos in zip(taken, segments, strict=True)]
    labels, cells, semantic = (list(part) for part in zip(*found, strict=True))
    places = pad_sequence(labels, batch_first=True, padding_value=-1)
    own, semantic_map, place = (
        part.to(masks.device, non_blocking=True)
        for part in (torch.stack(cells), torch.stack(semantic), places)
    )
    numbers = torch.arange(places.shape[1], device=masks.device)[:, None, None]
    filled = (place >= 0)[:, :, None, None]
    return {
        "labels": place,
        "masks": (own[:, None] == numbers) & filled,
        "semantic": semantic_map,
    }


def class_map(ids: Tensor, segments: Sequence[SegmentInfo], *, crowds: bool = True) -> Tensor:
    """The class of each pixel.

    Args:
        ids: int `(H, W)` segment ids.
        segments: The segments.
        crowds: Whether pixels of crowds have a class.

    Returns:
        int64 `(H, W)`, `IGNORED` where there is none.
    """
    labels = {info["id"]: info["category_id"] for info in segments if crowds or not _is_crowd(info)}
    present, places = ids.unique(return_inverse=True)
    classes = [labels.get(one, IGNORED) for one in present.tolist()]
    return torch.tensor(classes, device=ids.device)[places]


def stride_to(values: Tensor, size: tuple[int, int]) -> Tensor:
    """Take rows and columns of `(B, H, W)` at a stride: `size` of them, h and w."""
    down, right = (
        max(1, (large - 1) // max(1, small - 1))
        for large, small in zip(values.shape[-2:], size, strict=True)
    )
    return values[:, ::down, ::right][:, : size[0], : size[1]]


def _separate(ids: Tensor, segments: Sequence[SegmentInfo]) -> tuple[Tensor, Tensor, Tensor]:
    """Labels `(M,)`, and of each pixel `(h, w)` its place, M for void, and its class."""
    present, where = ids.unique(return_inverse=True)
    seen = set(present.tolist()) - {VOID}
    # Place of a segment by what it is told apart by: its class as stuff, its id as a thing.
    places: dict[tuple[bool, int], int] = {}
    place_of: dict[int, int] = {}
    labels: list[int] = []
    for info in segments:
        if info["id"] not in seen or _is_crowd(info):
            continue
        key = (info["isthing"], info["id"] if info["isthing"] else info["category_id"])
        if key not in places:
            places[key] = len(labels)
            labels.append(info["category_id"])
        place_of[info["id"]] = places[key]
    count = len(labels)
    table = torch.tensor([place_of.get(one, count) for one in present.tolist()])
    cells = table[where]  # (h, w)
    classes = torch.tensor([*labels, IGNORED])
    return classes[:-1], cells, classes[cells]


def _is_crowd(info: SegmentInfo) -> bool:
    return info.get("iscrowd", False)
