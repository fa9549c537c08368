import numpy as np

from vision.metrics.box_confusion import box_confusion

# Objects: two of class 0, one of class 1, and a crowd of class 1.
TRUE_BOXES = np.array([[0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10], [60, 0, 90, 30]], float)
TRUE_LABELS = np.array([0, 0, 1, 1])
CROWD = np.array([False, False, False, True])


def confuse(boxes: list[list[float]], labels: list[int]) -> list[list[int]]:
    return box_confusion(
        np.array(boxes, float).reshape(-1, 4),
        np.array(labels, int),
        true_boxes=TRUE_BOXES,
        true_labels=TRUE_LABELS,
        crowd=CROWD,
        num_classes=2,
    ).tolist()


def test_found_mistaken_missed_and_invented() -> None:
    boxes = [[0, 0, 10, 9], [20, 0, 30, 10], [65, 5, 70, 10], [0, 50, 10, 60]]
    # Right; class 1 in place of 0; in the crowd, not counted; background. Object 2 is missed.
    assert confuse(boxes, [0, 1, 0, 1]) == [[1, 1, 0], [0, 0, 1], [0, 1, 0]]


def test_the_right_class_comes_before_a_better_overlap() -> None:
    boxes = [[0, 0, 10, 10], [0, 0, 10, 8]]
    assert confuse(boxes, [1, 0]) == [[1, 0, 1], [0, 0, 1], [0, 1, 0]]


def test_a_second_box_on_an_object_is_background() -> None:
    assert confuse([[40, 0, 50, 10], [40, 0, 50, 9]], [1, 1]) == [[0, 0, 2], [0, 1, 0], [0, 1, 0]]


def test_nothing_found() -> None:
    assert confuse([], []) == [[0, 0, 2], [0, 0, 1], [0, 0, 0]]
