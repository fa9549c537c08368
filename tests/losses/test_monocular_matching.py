"""Matching of queries with objects; the authors' pairs are in `test_parity_heads.py`."""

from itertools import permutations
from typing import Any

import pytest
import torch
from helpers.refusals import refuses

from vision.errors import ConfigError
from vision.losses.monocular_matching import MatchingCosts, match_queries, pair_costs
from vision.losses.set_matching import Pairs
from vision.ops.monocular_targets import PaddedObjects, pad_objects

COSTS = MatchingCosts()


def predictions(queries: int, images: int = 2) -> Any:
    generator = torch.Generator().manual_seed(0)
    boxes = torch.rand(images, queries, 6, generator=generator) * 0.3
    logits = torch.randn(images, queries, 3, generator=generator)
    return {"logits": logits, "boxes": boxes}


def objects(*counts: int) -> PaddedObjects:
    generator = torch.Generator().manual_seed(1)
    targets: list[Any] = [
        {
            "labels": torch.randint(0, 3, (count,), generator=generator),
            "boxes": torch.rand(count, 6, generator=generator) * 0.3,
            "boxes2d": torch.zeros(count, 4),
            "sizes": torch.ones(count, 3),
            "depth_m": torch.ones(count),
            "alpha": torch.zeros(count),
        }
        for count in counts
    ]
    return pad_objects(targets)


def listed(pairs: Pairs, image: int) -> list[tuple[int, int]]:
    here = pairs.image == image
    return list(zip(pairs.query[here].tolist(), pairs.place[here].tolist(), strict=True))


def test_no_other_pairs_cost_less() -> None:
    found, wanted = predictions(4), objects(3, 2)
    (pairs,) = match_queries([found], wanted, num_groups=1, costs=COSTS)
    cost = pair_costs(found, wanted, COSTS)
    for image, count in enumerate(wanted.counts):
        least = min(
            sum(cost[image, query, place].item() for place, query in enumerate(chosen))
            for chosen in permutations(range(4), count)
        )
        mine = sum(cost[image, query, place].item() for query, place in listed(pairs, image))
        assert mine == pytest.approx(least)


def test_a_cost_by_hand() -> None:
    """Equal boxes overlap wholly; a probability of a half has log 2 in both parts."""
    found: Any = {"logits": torch.zeros(1, 1, 3), "boxes": torch.full((1, 1, 6), 0.2)}
    wanted = objects(1)._replace(boxes=torch.full((1, 1, 6), 0.2))
    log_half = 0.6931472 * 0.25
    expected = 2 * (0.25 - 0.75) * log_half - 2
    assert pair_costs(found, wanted, COSTS).item() == pytest.approx(expected)
    moved = wanted._replace(boxes=wanted.boxes + torch.tensor([0.1, 0, 0, 0, 0, -0.05]))
    overlap_only = pair_costs(found, moved, MatchingCosts(center=0, sides=0))
    distance = pair_costs(found, moved, COSTS) - overlap_only
    assert distance.item() == pytest.approx(10 * 0.1 + 5 * 0.05)


def test_each_group_by_itself() -> None:
    found = predictions(4)
    twice = {key: value.repeat(1, 2, 1) for key, value in found.items()}
    wanted = objects(3, 0)
    once = listed(match_queries([found], wanted, num_groups=1, costs=COSTS)[0], 0)
    (pairs,) = match_queries([twice], wanted, num_groups=2, costs=COSTS)
    assert listed(pairs, 0) == [*once, *((query + 4, place) for query, place in once)]
    assert listed(pairs, 1) == []


def test_more_objects_than_queries() -> None:
    (pairs,) = match_queries([predictions(2)], objects(5, 1), num_groups=1, costs=COSTS)
    assert [query for query, _ in listed(pairs, 0)] == [0, 1]
    assert len(listed(pairs, 1)) == 1


def test_no_objects_at_all() -> None:
    (pairs,) = match_queries([predictions(2)], objects(0, 0), num_groups=1, costs=COSTS)
    values = torch.randn(2, 2, 6, requires_grad=True)
    assert pairs.of_queries(values).shape == (0, 6)
    pairs.of_queries(values).sum().backward()
    assert values.grad is not None


def test_what_is_not_a_number_is_no_error() -> None:
    """The loss will show it, and the run says which images it came from."""
    found = predictions(2)
    found["logits"][0, 0] = torch.nan
    (pairs,) = match_queries([found], objects(2, 1), num_groups=1, costs=COSTS)
    assert len(listed(pairs, 0)) == 2


def test_negative_costs() -> None:
    with refuses(ConfigError, "matching.center=-1", "0 or more"):
        MatchingCosts(center=-1)
