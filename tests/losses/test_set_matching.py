"""Assignment of queries to objects; costs are tested with their detectors."""

from itertools import permutations

import torch
from torch.nn import functional as F

from vision.losses.focal import sigmoid_focal_loss
from vision.losses.set_matching import assign_queries, class_cost


def test_each_layer_by_itself_and_only_valid_places() -> None:
    torch.manual_seed(0)
    costs = [torch.randn(2, 4, 3) for _ in range(3)]
    valid = torch.tensor([[True, False, True], [False, True, False]])
    found = assign_queries(costs, valid)
    assert len(found) == 3
    for cost, pairs in zip(costs, found, strict=True):
        assert pairs.image.tolist() == [0, 0, 1]
        assert sorted(pairs.place[:2].tolist()) == [0, 2]
        assert pairs.place[2] == 1
        least = min((cost[0, a, 0] + cost[0, b, 2]).item() for a, b in permutations(range(4), 2))
        sums = cost[pairs.image, pairs.query, pairs.place]
        torch.testing.assert_close(sums[:2].sum().item(), least)
        assert sums[2] == cost[1, :, 1].min()


def test_no_valid_place() -> None:
    (pairs,) = assign_queries([torch.zeros(2, 4, 1)], torch.zeros(2, 1, dtype=torch.bool))
    assert pairs.of_queries(torch.zeros(2, 4, 5)).shape == (0, 5)


def test_what_is_not_a_number_costs_nothing() -> None:
    cost = torch.tensor([[[torch.nan], [-1.0], [1.0]]])
    (pairs,) = assign_queries([cost], torch.ones(1, 1, dtype=torch.bool))
    assert pairs.query.tolist() == [1]


def test_cost_of_classes_is_what_the_loss_gains() -> None:
    logits = torch.randn(1, 1, 4, dtype=torch.float64) * 3
    cost = class_cost(logits)[0, 0]
    without = sigmoid_focal_loss(logits, torch.tensor([[-1]]))
    for label in range(4):
        change = sigmoid_focal_loss(logits, torch.tensor([[label]])) - without
        torch.testing.assert_close(cost[label], change)


def test_cost_of_classes_stays_finite() -> None:
    logits = torch.tensor([[[-200.0, 200.0]]])
    expected = torch.tensor([[[0.25 * 200, -0.75 * 200]]])
    torch.testing.assert_close(class_cost(logits), expected)
    assert F.sigmoid(logits[0, 0, 0]).log().isinf()
