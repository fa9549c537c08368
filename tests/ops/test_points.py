"""Locations of a pyramid and their objects, against a loop over locations and objects."""

import pytest
import torch
from torch import Tensor

import vision.ops.points
from vision.ops.matching import BACKGROUND, IGNORED
from vision.ops.points import assign_points, points
from vision.ops.targets import PaddedTargets, pad_targets

STRIDES = (8, 16, 32)
SHAPES = ((20, 26), (10, 13), (5, 7))
RANGES = ((0, 64), (64, 128), (128, float("inf")))  # the published ones, of three levels


def locations() -> tuple[Tensor, Tensor]:
    levels = points(SHAPES, STRIDES)
    strides = [
        torch.full((len(level),), float(s)) for level, s in zip(levels, STRIDES, strict=True)
    ]
    return torch.cat(levels), torch.cat(strides)


def some_targets(counts: tuple[int, ...], *, crowds: float = 0.0, seed: int = 0) -> PaddedTargets:
    generator = torch.Generator().manual_seed(seed)
    targets = []
    for count in counts:
        corner = torch.rand(count, 2, generator=generator) * torch.tensor([150.0, 100.0])
        size = torch.exp(torch.rand(count, 2, generator=generator) * 3 + 2)
        targets.append(
            {
                "boxes": torch.cat([corner, corner + size], dim=1),
                "labels": torch.randint(5, (count,), generator=generator),
                "iscrowd": torch.rand(count, generator=generator) < crowds,
            }
        )
    return pad_targets(targets)


def by_hand(
    targets: PaddedTargets, image: int, point: list[float], stride: float, radius: float | None
) -> int:
    """The rule in words of the paper, one location at a time."""
    low, high = RANGES[STRIDES.index(int(stride))]
    x, y = point
    best, minimum = BACKGROUND, float("inf")
    for j in range(targets.boxes.shape[1]):
        x1, y1, x2, y2 = targets.boxes[image, j].tolist()
        if not targets.valid[image, j]:
            continue
        left, top, right, bottom = x1, y1, x2, y2
        if radius is not None:
            cx, cy, reach = (x1 + x2) / 2, (y1 + y2) / 2, radius * stride
            left, top = max(x1, cx - reach), max(y1, cy - reach)
            right, bottom = min(x2, cx + reach), min(y2, cy + reach)
        inside = left < x < right and top < y < bottom
        farthest = max(x - x1, y - y1, x2 - x, y2 - y)
        area = (x2 - x1) * (y2 - y1)
        if inside and low <= farthest <= high and area < minimum:
            best, minimum = j, area
    return best


def test_points_are_the_centres_of_cells() -> None:
    first, second = points([(2, 3), (1, 2)], [8, 16])
    assert first.tolist() == [[4, 4], [12, 4], [20, 4], [4, 12], [12, 12], [20, 12]]
    assert second.tolist() == [[8, 8], [24, 8]]


@pytest.mark.parametrize("radius", [1.5, None])
@pytest.mark.parametrize("pairs", [2**25, 1])
def test_equals_a_loop(radius: float | None, pairs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vision.ops.points, "MAX_PAIRS", pairs)
    places, strides = locations()
    targets = some_targets((9, 0, 4), crowds=0.3)
    matches = assign_points(places, strides, targets, radius=radius, limit=8.0, crowd_iof=None)
    assert matches.dtype == torch.int64
    expected = [
        [
            by_hand(targets, image, point, stride, radius)
            for point, stride in zip(places.tolist(), strides.tolist(), strict=True)
        ]
        for image in range(3)
    ]
    assert matches.tolist() == expected
    assert (matches[0] >= 0).sum() > 20
    assert len(set(matches[0].tolist())) > 3
    assert (matches[1] == BACKGROUND).all()


def test_locations_in_crowds_can_be_ignored() -> None:
    places, strides = locations()
    box = torch.tensor([[8.0, 8.0, 40.0, 40.0], [8.0, 8.0, 48.0, 44.0]])
    targets = pad_targets(
        [{"boxes": box, "labels": torch.zeros(2).long(), "iscrowd": torch.tensor([False, True])}]
    )
    options = {"radius": 1.5, "limit": 8.0}
    plain = assign_points(places, strides, targets, crowd_iof=None, **options)[0]
    ignored = assign_points(places, strides, targets, crowd_iof=0.5, **options)[0]
    assert (plain >= 0).any()
    assert not (plain == IGNORED).any()
    changed = plain != ignored
    assert (ignored[changed] == IGNORED).all()
    assert (plain[changed] == BACKGROUND).all()
    # Half a cell or more in the crowd: all cells of stride 8 from 8 to 48 by 8 to 44, the last row
    # by half; 4 + 5 of stride 16 (0.5 of those that start at 0); one of stride 32.
    x, y = places[:, 0], places[:, 1]
    share = ((x + strides / 2).clamp(max=48) - (x - strides / 2).clamp(min=8)).clamp(min=0) * (
        (y + strides / 2).clamp(max=44) - (y - strides / 2).clamp(min=8)
    ).clamp(min=0)
    covered = share / strides**2 >= 0.5
    assert torch.equal(ignored == IGNORED, covered & (plain < 0))
    assert covered[strides == 8].sum() == 25


def test_limits_of_levels_belong_to_both() -> None:
    # A box of 128 x 128: from its centre, the farthest side is 64 pixels away.
    targets = pad_targets(
        [
            {
                "boxes": torch.tensor([[0.0, 0.0, 128.0, 128.0]]),
                "labels": torch.zeros(1).long(),
                "iscrowd": torch.zeros(1, dtype=torch.bool),
            }
        ]
    )
    places = torch.tensor([[64.0, 64.0], [64.0, 64.0], [64.0, 64.0]])
    strides = torch.tensor([8.0, 16.0, 32.0])
    matches = assign_points(places, strides, targets, radius=1.5, limit=8.0, crowd_iof=None)
    assert matches.tolist() == [[0, 0, BACKGROUND]]
