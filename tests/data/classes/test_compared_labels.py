"""Values of label images as classes, in annotations and in predictions."""

from pathlib import Path

import numpy as np
import pytest
from helpers.refusals import refuses

from vision.data.classes.compared_labels import compared_labels
from vision.errors import DataError

FILE = Path("0.png")


def image(*values: int) -> np.ndarray:
    return np.array([values], dtype=np.uint8)


@pytest.mark.parametrize(
    ("reduce_zero_label", "annotated", "predicted"),
    [
        (None, (0, 1, 2, 255), (0, 1, 2, 255)),
        ("annotations", (1, 2, 3, 0), (0, 1, 2, 255)),
        ("both", (1, 2, 3, 255), (1, 2, 3, 0)),
    ],
)
def test_values_become_classes(
    reduce_zero_label: str | None, annotated: tuple[int, ...], predicted: tuple[int, ...]
) -> None:
    classes = compared_labels(3, reduce_zero_label=reduce_zero_label)
    for values, meaning in zip((annotated, predicted), classes, strict=True):
        assert meaning(image(*values), FILE).tolist() == [[0, 1, 2, 255]]


def test_a_class_may_be_ignored_in_annotations_but_predicted() -> None:
    annotations, predictions = compared_labels(3, ignored=[0, 7])
    assert annotations(image(0, 1, 2, 7), FILE).tolist() == [[255, 1, 2, 255]]
    assert predictions(image(0, 1, 2, 7), FILE).tolist() == [[0, 1, 2, 255]]


def test_another_value_is_an_error_that_names_the_options() -> None:
    for meaning in compared_labels(3, ignored=[7]):
        with refuses(DataError, "0.png", "255", "--ignore"):
            meaning(image(0, 255), FILE)
