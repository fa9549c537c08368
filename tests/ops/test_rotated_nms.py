"""Suppression of turned rectangles, against the greedy loop and torchvision's."""

import pytest
import torch
from helpers.boxes3d import random_rectangles
from torch import Tensor
from torchvision.ops import nms

from vision.ops.rotated_iou import rotated_iou
from vision.ops.rotated_nms import rotated_nms

THRESHOLDS = (0.5, 0.2, 0.05)


def scene(count: int = 200, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    scores = torch.rand(count, generator=generator)
    labels = torch.randint(3, (count,), generator=generator)
    return random_rectangles(count, seed=seed), scores, labels


def greedy(rectangles: Tensor, scores: Tensor, labels: Tensor) -> list[int]:
    overlaps, kept = rotated_iou(rectangles, rectangles), []
    for i in scores.argsort(descending=True, stable=True).tolist():
        rivals = [j for j in kept if labels[j] == labels[i]]
        if all(overlaps[i, j] <= THRESHOLDS[labels[i]] for j in rivals):
            kept.append(i)
    return kept


@pytest.mark.parametrize("seed", range(4))
def test_it_is_the_greedy_loop(seed: int) -> None:
    rectangles, scores, labels = scene(seed=seed)
    kept = rotated_nms(rectangles, scores, labels, THRESHOLDS)
    expected = greedy(rectangles, scores, labels)
    assert kept.tolist() == expected
    assert 30 < len(expected) < 150


def test_without_a_turn_it_is_torchvisions() -> None:
    rectangles, scores, labels = scene()
    rectangles[:, 4] = 0
    half = rectangles[:, 2:4] / 2
    corners = torch.cat([rectangles[:, :2] - half, rectangles[:, :2] + half], dim=1)
    kept = rotated_nms(rectangles, scores, torch.zeros_like(labels), [0.3])
    assert kept.tolist() == nms(corners, scores.double(), 0.3).tolist()


def test_a_chain_is_settled_link_by_link() -> None:
    # Each overlaps the next alone: every other one stays.
    rectangles = torch.tensor([[i, 0.0, 1.5, 1.0, 0.0] for i in range(50)])
    scores = torch.linspace(1, 0.5, 50)
    kept = rotated_nms(rectangles, scores, torch.zeros(50, dtype=torch.int64), [0.1])
    assert kept.tolist() == list(range(0, 50, 2))


def test_the_number_of_each_class_is_limited_before_and_after() -> None:
    rectangles, scores, labels = scene()
    kept = rotated_nms(rectangles, scores, labels, THRESHOLDS, max_before=[40, 10, 200])
    best = [
        i
        for k, most in enumerate((40, 10, 200))
        for i in sorted(torch.where(labels == k)[0].tolist(), key=lambda i: -scores[i])[:most]
    ]
    chosen = torch.tensor(sorted(best))
    expected = greedy(rectangles[chosen], scores[chosen], labels[chosen])
    assert kept.tolist() == chosen[expected].tolist()
    few = rotated_nms(rectangles, scores, labels, THRESHOLDS, max_after=[5, 0, 7])
    every = rotated_nms(rectangles, scores, labels, THRESHOLDS).tolist()
    wanted = sorted(
        [i for k, most in ((0, 5), (2, 7)) for i in [j for j in every if labels[j] == k][:most]],
        key=lambda i: -scores[i],
    )
    assert few.tolist() == wanted


def test_of_equal_scores_the_first_is_kept() -> None:
    same = torch.tensor([[0.0, 0, 2, 1, 0.3]]).repeat(3, 1)
    labels = torch.zeros(3, dtype=torch.int64)
    assert rotated_nms(same, torch.ones(3), labels, [0.5]).tolist() == [0]


def test_nothing_is_kept_of_nothing() -> None:
    none = torch.zeros(0)
    kept = rotated_nms(none.reshape(0, 5), none, none.long(), THRESHOLDS, max_after=[1, 1, 1])
    assert kept.tolist() == []
