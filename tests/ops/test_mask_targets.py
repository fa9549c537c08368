"""Targets from segments, by hand."""

import pytest
import torch

from vision.contracts.segmentation import IGNORED
from vision.contracts.segments import SegmentInfo
from vision.ops.mask_targets import class_map, make_mask_targets, stride_to


def info(number: int, label: int, *, thing: bool, crowd: bool = False) -> SegmentInfo:
    return {"id": number, "category_id": label, "isthing": thing, "iscrowd": crowd}


# Rows and columns 0 and 4 are seen at stride 4.
IDS = torch.zeros(2, 8, 8, dtype=torch.int32)
IDS[0, :4, :4], IDS[0, :4, 4:], IDS[0, 4:, :4], IDS[0, 4:, 4:] = 7, 3, 9, 5
IDS[0, 1, 1] = 8
SEGMENTS = [
    [
        info(5, 1, thing=True, crowd=True),
        info(7, 1, thing=True),
        info(8, 1, thing=True),
        info(3, 0, thing=False),
        info(9, 0, thing=False),
    ],
    [],
]


def test_stuff_is_merged_crowds_are_void_and_unseen_segments_vanish() -> None:
    targets = make_mask_targets(IDS, SEGMENTS, (2, 2))
    assert targets["labels"].tolist() == [[1, 0], [-1, -1]]
    assert targets["masks"].dtype == torch.bool
    assert targets["masks"][0].int().tolist() == [[[1, 0], [0, 0]], [[0, 1], [1, 0]]]
    assert not targets["masks"][1].any()
    assert targets["semantic"][0].tolist() == [[1, 0], [0, IGNORED]]
    assert (targets["semantic"][1] == IGNORED).all()


def test_a_batch_without_segments_has_no_places() -> None:
    targets = make_mask_targets(IDS, [[], []], (2, 2))
    assert targets["labels"].shape == (2, 0)
    assert targets["masks"].shape == (2, 0, 2, 2)


@pytest.mark.parametrize(("crowds", "label"), [(True, 1), (False, IGNORED)])
def test_classes_of_pixels(crowds: bool, label: int) -> None:
    labels = class_map(IDS[0], SEGMENTS[0], crowds=crowds)
    assert labels.dtype == torch.int64
    assert labels[::4, ::4].tolist() == [[1, 0], [0, label]]
    assert class_map(IDS[1], []).unique().tolist() == [IGNORED]


@pytest.mark.parametrize(("large", "small"), [(17, 3), (16, 2), (41, 41), (10, 4)])
def test_strided_targets_fit(large: int, small: int) -> None:
    values = torch.arange(large)[None, :, None].expand(1, large, large)
    strided = stride_to(values, (small, small))
    assert strided.shape == (1, small, small)
    step = (large - 1) // (small - 1)
    assert strided[0, :, 0].tolist() == [i * step for i in range(small)]
