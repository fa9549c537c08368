"""Matching against torchvision's matcher, a plain loop, and cases worked by hand."""

import math

import pytest
import torch
from torch import Tensor
from torchvision.models.detection._utils import Matcher
from torchvision.ops import box_iou

from vision.ops import matching
from vision.ops.matching import BACKGROUND, IGNORED, match_boxes, sample_balanced
from vision.ops.targets import PaddedTargets


def random_case(batch: int, count: int, places: int, seed: int) -> tuple[Tensor, PaddedTargets]:
    """Boxes on a coarse grid, so that equal overlaps are frequent, and objects among them."""
    generator = torch.Generator().manual_seed(seed)
    corner = torch.randint(0, 8, (batch, count + places, 2), generator=generator) * 4
    size = torch.randint(1, 5, (batch, count + places, 2), generator=generator) * 4
    boxes = torch.cat([corner, corner + size], dim=-1).float()
    kind = torch.randint(0, 4, (batch, places), generator=generator)
    kind[0] = 0  # an image without objects
    targets = PaddedTargets(
        boxes[:, count:],
        torch.randint(0, 9, (batch, places), generator=generator),
        valid=kind >= 2,
        crowd=kind == 1,
    )
    return boxes[:, :count], targets


def one_by_one(
    boxes: Tensor,
    targets: PaddedTargets,
    i: int,
    thresholds: tuple[float, float, float],
    allow_low_quality: bool,
    crowd_iof: float | None,
    takes_part: Tensor,
) -> list[int]:
    """The published rules for image i, box by box and object by object."""
    positive, negative, minimum = thresholds
    objects = [j for j in range(targets.valid.shape[1]) if targets.valid[i, j]]
    here = [a for a in range(boxes.shape[1]) if takes_part[i, a]]
    iou = box_iou(boxes[i], targets.boxes[i])
    result = [IGNORED] * boxes.shape[1]
    for a in here:
        best = best_or([iou[a, j].item() for j in objects], -1.0)
        if best < negative:
            result[a] = BACKGROUND
        if objects and best >= positive:
            result[a] = next(j for j in objects if iou[a, j].item() == best)
    for j in objects if allow_low_quality else []:
        best = best_or([iou[a, j].item() for a in here], 0.0)
        if best >= minimum and best > 0:
            takes = [a for a in here if iou[a, j].item() == best]
            result = [j if a in takes else was for a, was in enumerate(result)]
    for a in here:
        if result[a] == BACKGROUND and crowd_iof is not None:
            shares = shares_in_crowds(boxes[i, a].tolist(), targets, i)
            if max(shares, default=0.0) >= crowd_iof:
                result[a] = IGNORED
    return result


def shares_in_crowds(box: list[float], targets: PaddedTargets, i: int) -> list[float]:
    x1, y1, x2, y2 = box
    shares = []
    for cx1, cy1, cx2, cy2 in targets.boxes[i][targets.crowd[i]].tolist():
        width, height = min(x2, cx2) - max(x1, cx1), min(y2, cy2) - max(y1, cy1)
        shares.append(max(0.0, width) * max(0.0, height) / ((x2 - x1) * (y2 - y1)))
    return shares


def best_or(overlaps: list[float], otherwise: float) -> float:
    return max(overlaps, default=otherwise)


@pytest.mark.parametrize("thresholds", [(0.7, 0.3, 0.3), (0.5, 0.5, 0.5), (0.5, 0.4, 0.0)])
@pytest.mark.parametrize("allow_low_quality", [True, False])
@pytest.mark.parametrize("crowd_iof", [None, 0.5])
@pytest.mark.parametrize("seed", [0, 1])
def test_it_follows_the_published_rules(
    thresholds: tuple[float, float, float],
    allow_low_quality: bool,
    crowd_iof: float | None,
    seed: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Some images at a time.
    monkeypatch.setattr(matching, "MAX_PAIRS", 60 * 7 * 2)
    boxes, targets = random_case(5, 60, 7, seed)
    valid = torch.rand(5, 60, generator=torch.Generator().manual_seed(seed)) < 0.9
    positive, negative, minimum = thresholds
    ours = match_boxes(
        boxes,
        targets,
        fg_iou_threshold=positive,
        bg_iou_threshold=negative,
        low_quality_threshold=minimum,
        allow_low_quality=allow_low_quality,
        crowd_iof=crowd_iof,
        valid=valid,
    )
    for i in range(5):
        expected = one_by_one(boxes, targets, i, thresholds, allow_low_quality, crowd_iof, valid)
        assert ours[i].tolist() == expected


def test_without_low_quality_it_is_torchvisions() -> None:
    boxes, targets = random_case(3, 80, 6, seed=3)
    targets = targets._replace(valid=torch.ones_like(targets.valid))
    ours = match_boxes(
        boxes,
        targets,
        fg_iou_threshold=0.7,
        bg_iou_threshold=0.3,
        low_quality_threshold=0.3,
        allow_low_quality=False,
        crowd_iof=None,
    )
    for i in range(3):
        # torchvision has -1 for the background and -2 for what is in between, as we do.
        assert torch.equal(ours[i], Matcher(0.7, 0.3)(box_iou(targets.boxes[i], boxes[i])))


def test_boxes_of_all_images_may_be_given_once() -> None:
    boxes, targets = random_case(3, 40, 6, seed=4)
    options = {
        "fg_iou_threshold": 0.5,
        "bg_iou_threshold": 0.4,
        "low_quality_threshold": 0.0,
        "allow_low_quality": True,
        "crowd_iof": 0.5,
    }
    once = match_boxes(boxes[0], targets, **options)
    assert torch.equal(once, match_boxes(boxes[:1].expand(3, -1, -1), targets, **options))


def test_an_object_takes_its_best_box_from_another() -> None:
    # Overlaps of the only box: 0.9 with the first object, 0.8 with the second, which has no other.
    objects = torch.tensor([[[0.0, 0.0, 10.0, 9.0], [0.0, 0.0, 10.0, 8.0]]])
    targets = PaddedTargets(
        objects, torch.zeros(1, 2).long(), torch.ones(1, 2).bool(), torch.zeros(1, 2).bool()
    )
    box = torch.tensor([[0.0, 0.0, 10.0, 10.0]])
    for allow_low_quality, expected in ((False, 0), (True, 1)):
        match = match_boxes(
            box,
            targets,
            fg_iou_threshold=0.5,
            bg_iou_threshold=0.5,
            low_quality_threshold=0.5,
            allow_low_quality=allow_low_quality,
            crowd_iof=None,
        )
        assert match.tolist() == [[expected]]


def test_an_object_out_of_reach_takes_nothing() -> None:
    targets = PaddedTargets(
        torch.tensor([[[500.0, 500.0, 510.0, 510.0]]]),
        torch.zeros(1, 1).long(),
        torch.ones(1, 1).bool(),
        torch.zeros(1, 1).bool(),
    )
    match = match_boxes(
        torch.tensor([[0.0, 0.0, 9.0, 9.0]]),
        targets,
        fg_iou_threshold=0.5,
        bg_iou_threshold=0.4,
        low_quality_threshold=0.0,
        allow_low_quality=True,
        crowd_iof=0.5,
    )
    assert match.tolist() == [[BACKGROUND]]


@pytest.mark.parametrize(
    ("positives", "negatives", "expected"),
    [
        (100, 200, (16, 48)),
        (5, 200, (5, 59)),
        (100, 20, (16, 20)),
        (0, 10, (0, 10)),
        (0, 0, (0, 0)),
    ],
)
def test_samples_have_the_wanted_counts(
    positives: int, negatives: int, expected: tuple[int, int]
) -> None:
    matches = torch.full((2, 300), IGNORED)
    matches[:, :positives] = torch.arange(positives) % 7
    matches[:, positives : positives + negatives] = BACKGROUND
    matches = matches[:, torch.randperm(300)]
    sampled = sample_balanced(matches, batch_size_per_image=64, positive_fraction=0.25)
    for i in range(2):
        index, positive, valid = sampled.index[i], sampled.positive[i], sampled.valid[i]
        assert (int(positive.sum()), int((valid & ~positive).sum())) == expected
        assert (matches[i, index[positive]] >= 0).all()
        assert (matches[i, index[valid & ~positive]] == BACKGROUND).all()
        assert len(set(index[valid].tolist())) == int(valid.sum())  # without repetition
        # Positives first, then background, then empty places.
        assert valid.tolist() == sorted(valid.tolist(), reverse=True)
        assert positive.tolist() == sorted(positive.tolist(), reverse=True)


def test_fewer_boxes_than_places() -> None:
    sampled = sample_balanced(
        torch.tensor([[0, BACKGROUND, IGNORED]]), batch_size_per_image=8, positive_fraction=1
    )
    assert sampled.index.shape == (1, 8)
    assert sampled.valid.tolist() == [[True, True] + [False] * 6]
    assert sampled.positive.tolist() == [[True] + [False] * 7]
    assert sampled.index[0, :2].tolist() == [0, 1]


def test_every_box_is_as_likely() -> None:
    torch.manual_seed(0)
    matches = torch.full((4000, 20), BACKGROUND)
    matches[:, ::2] = 3
    sampled = sample_balanced(matches, batch_size_per_image=8, positive_fraction=0.5)
    share = torch.zeros(4000, 20).scatter(1, sampled.index, 1.0).mean(dim=0)
    # 4 of 10 positives and 4 of 10 background boxes.
    assert (share - 0.4).abs().max() < 5 * math.sqrt(0.24 / 4000)
