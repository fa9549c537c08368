"""Suppression of groups, against torchvision's of single images."""

import pytest
import torch
from torch import Tensor
from torchvision.ops import batched_nms as torchvision_nms

from vision.ops import nms
from vision.ops.nms import batched_nms, keep_detections


def random_boxes(batch: int, count: int, groups: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(batch, count, 2, generator=generator) * 100
    size = torch.rand(batch, count, 2, generator=generator) * 60 + 1
    boxes = torch.cat([corner, corner + size], dim=-1)
    scores = torch.rand(batch, count, generator=generator) + 0.01
    return boxes, scores, torch.randint(0, groups, (batch, count), generator=generator)


@pytest.mark.parametrize("pairs", [0, 10**9], ids=["a call per group", "one call"])
@pytest.mark.parametrize("count", [1, 300])
def test_it_keeps_what_torchvision_keeps(
    pairs: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nms, "PAIRS_PER_CALL", pairs)
    boxes, scores, groups = (values[0] for values in random_boxes(1, count, 4, seed=0))
    ours = batched_nms(boxes, scores, groups, 0.4)
    assert torch.equal(ours, torchvision_nms(boxes, scores, groups, 0.4))


@pytest.mark.parametrize("pairs", [0, 10**9], ids=["a call per group", "one call"])
def test_of_equal_scores_the_first_comes_first(pairs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nms, "PAIRS_PER_CALL", pairs)
    boxes = torch.tensor([[0.0, 0, 10, 10], [50, 50, 60, 60], [0, 0, 10, 10], [0, 0, 10, 10]])
    kept = batched_nms(boxes, torch.ones(4), torch.tensor([3, 0, 3, 1]), 0.5)
    assert kept.tolist() == [0, 1, 3]


def test_no_boxes() -> None:
    empty = batched_nms(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0).long(), 0.5)
    assert empty.shape == (0,)
    index, valid = keep_detections(
        torch.zeros(2, 3, 4),
        torch.zeros(2, 3),
        torch.zeros(2, 3).long(),
        iou_threshold=0.5,
        max_per_image=5,
    )
    assert index.shape == (2, 5)
    assert not valid.any()


@pytest.mark.parametrize("max_per_image", [10, 400])
def test_each_image_is_suppressed_by_itself(max_per_image: int) -> None:
    boxes, scores, groups = random_boxes(3, 200, 5, seed=1)
    scores[1, 100:] = 0  # empty places
    scores[2] = -1
    index, valid = keep_detections(
        boxes, scores, groups, iou_threshold=0.3, max_per_image=max_per_image
    )
    assert index.shape == valid.shape == (3, max_per_image)
    for i in range(3):
        real = (scores[i] > 0).nonzero().squeeze(1)
        expected = torchvision_nms(boxes[i, real], scores[i, real], groups[i, real], 0.3)[
            :max_per_image
        ]
        assert torch.equal(index[i][valid[i]], real[expected])
        assert valid[i].tolist() == [True] * len(expected) + [False] * (
            max_per_image - len(expected)
        )


def test_images_with_equal_scores_do_not_depend_on_the_batch() -> None:
    boxes, scores, groups = random_boxes(4, 300, 3, seed=2)
    scores = (scores * 8).round().clamp(min=1) / 8
    index, valid = keep_detections(boxes, scores, groups, iou_threshold=0.5, max_per_image=50)
    for i in range(4):
        part = slice(i, i + 1)
        alone = keep_detections(
            boxes[part], scores[part], groups[part], iou_threshold=0.5, max_per_image=50
        )
        assert torch.equal(index[part], alone[0])
        assert torch.equal(valid[part], alone[1])


def test_far_groups_keep_their_precision() -> None:
    # An overlap of exactly 0.5 is not above the threshold in any group.
    boxes = torch.tensor([[100.0, 100, 110, 110], [100, 100, 110, 105]])
    for group in (0, 9000):
        kept = batched_nms(boxes, torch.tensor([0.9, 0.8]), torch.tensor([group, group]), 0.5)
        assert kept.tolist() == [0, 1]


@pytest.mark.gpu
def test_cuda_keeps_what_the_cpu_keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    boxes, scores, groups = random_boxes(4, 500, 3, seed=4)
    expected = keep_detections(boxes, scores, groups, iou_threshold=0.5, max_per_image=200)
    for maximum in (2**15, 1000):  # all images at once, and some at a time
        monkeypatch.setattr(nms, "MAX_BOXES", maximum)
        index, valid = keep_detections(
            boxes.cuda(), scores.cuda(), groups.cuda(), iou_threshold=0.5, max_per_image=200
        )
        assert torch.equal(valid.cpu(), expected[1])
        assert torch.equal(index.cpu(), expected[0])
