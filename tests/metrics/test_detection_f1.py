"""F1 of one image, worked by hand."""

import pytest
import torch

from vision.metrics.detection_f1 import detection_f1

SQUARES = [(0, 0, 10, 10), (20, 0, 30, 10), (40, 0, 50, 10)]


def f1(found: list, true: list, crowd: tuple[int, ...] = ()) -> float:
    """`found` are (box, label, score), `true` are (box, label)."""
    return detection_f1(
        torch.tensor([box for box, _, _ in found], dtype=torch.float32).reshape(-1, 4),
        torch.tensor([label for _, label, _ in found], dtype=torch.int64),
        torch.tensor([score for _, _, score in found], dtype=torch.float32),
        true_boxes=torch.tensor([box for box, _ in true], dtype=torch.float32).reshape(-1, 4),
        true_labels=torch.tensor([label for _, label in true], dtype=torch.int64),
        crowd=torch.tensor([i in crowd for i in range(len(true))], dtype=torch.bool),
    )


def test_all_some_and_none_found() -> None:
    true = [(box, i) for i, box in enumerate(SQUARES)]
    assert f1([(box, i, 0.9) for i, box in enumerate(SQUARES)], true) == 1
    # One of two detections is right, two of three objects are missed: P 1/2, R 1/3.
    found = [(SQUARES[0], 0, 0.9), (SQUARES[1], 2, 0.9)]
    assert f1(found, true) == pytest.approx(2 / (2 + 3))
    assert f1([], true) == 0


def test_images_without_objects() -> None:
    assert f1([], []) == 1
    assert f1([(SQUARES[0], 0, 0.4)], []) == 1  # too low a score to count
    assert f1([(SQUARES[0], 0, 0.5)], []) == 0


def test_an_object_is_found_once_and_by_the_surer_detection() -> None:
    near = (0, 0, 10, 9)
    assert f1([(near, 0, 0.8), (SQUARES[0], 0, 0.9)], [(SQUARES[0], 0)]) == pytest.approx(2 / 3)
    # The surer one takes the object it overlaps most; the other one is left with the second.
    true = [((0, 0, 10, 10), 0), ((0, 2, 10, 12), 0)]
    assert f1([((0, 1, 10, 11.5), 0, 0.6), ((0, 2, 10, 12), 0, 0.9)], true) == 1


def test_the_overlap_must_be_a_half() -> None:
    true = [((0, 0, 10, 10), 0)]
    assert f1([((0, 0, 10, 5), 0, 1.0)], true) == 1
    assert f1([((0, 0, 10, 4.9), 0, 1.0)], true) == 0


def test_crowds_and_what_lies_in_them_do_not_count() -> None:
    true = [((0, 0, 100, 100), 0), (SQUARES[1], 1)]
    inside = ((50, 50, 60, 60), 0, 0.9)
    assert f1([inside, (SQUARES[1], 1, 0.9)], true, crowd=(0,)) == 1
    assert f1([inside], true[:1], crowd=(0,)) == 1
    other_class = ((50, 50, 60, 60), 2, 0.9)
    assert f1([other_class], true[:1], crowd=(0,)) == 0
    outside = ((96, 96, 116, 116), 0, 0.9)
    assert f1([outside], true[:1], crowd=(0,)) == 0
