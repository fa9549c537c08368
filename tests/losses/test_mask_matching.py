"""Queries and segments; whole batches of the authors' are in `test_parity_heads.py`."""

import itertools

import torch
from torch import Tensor

from vision.losses.mask_matching import assign_queries, read_segments
from vision.ops.mask_predictions import MaskPredictions
from vision.ops.mask_targets import MaskTargets


def target(labels: list[list[int]], masks: Tensor) -> MaskTargets:
    return {
        "labels": torch.tensor(labels),
        "masks": masks.bool(),
        "semantic": torch.zeros(len(labels), *masks.shape[2:], dtype=torch.int64),
    }


def predicted(queries: int, *, classes: int = 3, batch: int = 1) -> MaskPredictions:
    torch.manual_seed(0)
    return {
        "class_logits": torch.randn(batch, queries, classes + 1),
        "mask_logits": 3 * torch.randn(batch, queries, 4, 6),
        "pixel_features": torch.randn(batch, 2, 4, 6),
    }


def test_overlap_void_and_area() -> None:
    """A row of four pixels: one of the first segment, one of both, one of the second, one void."""
    segments = read_segments(
        target([[1, 2]], torch.tensor([[[[1, 1, 0, 0]], [[0, 1, 1, 0]]]])), torch.float64
    )
    assert segments.labels.tolist() == [[1, 2, -1]]
    half = [[[1, 0.5, 0, 0]], [[0, 0.5, 1, 0]], [[0, 0, 0, 0]]]
    assert segments.masks.tolist() == [half]
    assert segments.void.tolist() == [[[False, False, False, True]]]
    # Each segment has an area of 1.5 of the 4 pixels, void counts as one pixel.
    assert segments.inverse_area.tolist() == [[[4 / 1.5, 4 / 1.5, 4 / 1.5, 4.0]]]


def test_the_best_of_all_assignments() -> None:
    predictions = predicted(4)
    masks = torch.zeros(1, 3, 4, 6)
    masks[0, 0, :2], masks[0, 1, 2:, :3], masks[0, 2, 2:, 4:] = 1, 1, 1
    labels = [2, 0, 2]
    segments = read_segments(target([labels], masks), torch.float32)
    assignment = assign_queries(predictions, segments)
    probability = predictions["mask_logits"].softmax(dim=1)[0]
    classes = predictions["class_logits"].softmax(dim=2)[0]
    seen = masks[0].sum(dim=0) > 0

    def likeness(query: int, place: int) -> float:
        mask, mine = probability[query] * seen, masks[0, place]
        dice = (mask * mine).sum() / ((mask.sum() + mine.sum()) / 2 + 1e-5)
        return (dice * classes[query, labels[place]]).item()

    best = max(
        itertools.permutations(range(4), 3),
        key=lambda queries: sum(likeness(q, place) for place, q in enumerate(queries)),
    )
    expected = [best.index(query) if query in best else 3 for query in range(4)]
    assert assignment.place.tolist() == [expected]
    assert assignment.labels[0].tolist() == [[*labels, 3][place] for place in expected]


def test_more_segments_than_queries_and_none() -> None:
    masks = torch.zeros(2, 3, 4, 6)
    for place in range(3):
        masks[0, place, place] = 1
    segments = read_segments(target([[0, 1, 2], [-1, -1, -1]], masks), torch.float32)
    assignment = assign_queries(predicted(2, batch=2), segments)
    assert len({*assignment.place[0].tolist()} - {3}) == 2
    assert assignment.place[1].tolist() == [3, 3]
    assert assignment.labels[1].tolist() == [3, 3]
    # Without segments every mask lies on void, with the full weight of "no object".
    torch.testing.assert_close(assignment.class_weight[1], torch.ones(2))
    assert not assignment.mask_weight[1].any()


def test_empty_places_change_nothing() -> None:
    predictions = predicted(3)
    masks = torch.zeros(1, 3, 4, 6)
    masks[0, 0, :2] = 1
    one = assign_queries(predictions, read_segments(target([[1]], masks[:, :1]), torch.float32))
    three = assign_queries(predictions, read_segments(target([[1, -1, -1]], masks), torch.float32))
    assert torch.equal(one.place == 0, three.place == 0)
    for name in ("labels", "class_weight", "mask_weight"):
        assert torch.equal(getattr(one, name), getattr(three, name))
