"""Pictures: what is drawn is read back from the figure and from the file."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.refusals import refuses
from PIL import Image
from torch import Tensor

from vision.draw.classification import (
    MAX_CLASSES,
    ClassifiedImage,
    draw_classification,
    draw_predictions,
)
from vision.draw.figure import save_png
from vision.errors import ConfigError

NAMES = ["cat", "dog", "a class with quite a long name"]


def example(label: int, predicted: int, score: float = 0.9, side: int = 8) -> ClassifiedImage:
    image = torch.full((3, side, side + 2), 40 * label, dtype=torch.uint8)
    return ClassifiedImage(image, label, predicted, score, num_classes=len(NAMES))


def counts() -> Tensor:
    return torch.tensor([[5, 1, 0], [0, 4, 0], [2, 0, 8]])


def titles(figure) -> list[str]:
    return [axis.get_title() for axis in figure.axes if axis.get_title()]


def confusion(matrix: Tensor, names: list[str]) -> Any:
    """The right half of the picture."""
    return draw_classification([example(0, 0)], matrix, names).subfigs[1]


def test_captions_give_prediction_score_and_truth() -> None:
    figure = draw_predictions([example(0, 1, 0.734), example(2, 2, 0.5)], NAMES)
    wrong, right = titles(figure)
    assert wrong == "dog  73%\ntrue: cat"
    assert right.startswith("a class with")
    assert right.endswith("50%")
    assert "true" not in right


def overlapping(boxes: list[Any]) -> bool:
    return any(one.overlaps(other) for i, one in enumerate(boxes) for other in boxes[:i])


def test_names_do_not_run_into_one_another() -> None:
    names = [f"{letter * 30}{i}" for i, letter in enumerate("WMQ")]
    images = [example(0, i % 3) for i in range(30)]
    figure = draw_classification(images, counts(), names)
    figure.canvas.draw()
    axes = figure.subfigs[0].axes
    boxes = [axis.title.get_window_extent() for axis in axes if axis.get_title()]
    assert len(boxes) == 30
    assert not overlapping(boxes)
    assert all("%" in axis.get_title() for axis in axes)


@pytest.mark.parametrize(("count", "letters"), [(3, 5), (10, 1), (20, 3), (30, 3)])
def test_names_below_a_matrix_do_not_run_into_one_another(count: int, letters: int) -> None:
    names = ["W" * letters] * count
    figure = draw_classification([example(0, 0)], torch.eye(count, dtype=torch.int64), names)
    figure.canvas.draw()
    labels = figure.subfigs[1].axes[0].get_xticklabels()
    if labels[0].get_rotation() == 0:
        assert not overlapping([label.get_window_extent() for label in labels])
    else:
        # Turned by 45 degrees, lines are apart by the distance of the columns divided by sqrt(2).
        figure.subfigs[1].axes[0].tick_params(axis="x", rotation=0)
        figure.canvas.draw()
        flat = [label.get_window_extent() for label in labels]
        assert flat[1].x1 - flat[0].x1 > flat[0].height * 1.2


def test_images_are_drawn_as_they_are() -> None:
    images = [example(label, label) for label in range(3)]
    figure = draw_predictions(images, NAMES)
    drawn = [axis.images[0].get_array() for axis in figure.axes if axis.images]
    for image, array in zip(images, drawn, strict=True):
        np.testing.assert_array_equal(array, image.image.permute(1, 2, 0).numpy())


def test_confusion_has_counts_shares_and_accuracy() -> None:
    figure = confusion(counts(), NAMES)
    axis = figure.axes[0]
    numbers = {tuple(map(int, text.get_position())): text.get_text() for text in axis.texts}
    # Positions are (column, row) = (predicted, true).
    assert numbers == {(0, 0): "5", (1, 0): "1", (1, 1): "4", (0, 2): "2", (2, 2): "8"}
    np.testing.assert_allclose(axis.images[0].get_array()[2], [0.2, 0.0, 0.8])
    assert axis.get_xlabel() == "predicted"
    assert axis.get_ylabel() == "true"
    assert "17 of 20 right (85.00%)" in figure.get_suptitle()


def test_of_many_classes_the_most_confused_are_shown() -> None:
    matrix = torch.eye(100, dtype=torch.int64) * 10
    matrix[70, 71] = 9
    matrix[3, 99] = 1
    axis = confusion(matrix, [f"class {i}" for i in range(100)]).axes[0]
    labels = [label.get_text() for label in axis.get_yticklabels()]
    assert len(labels) == MAX_CLASSES
    assert {"class 3", "class 70", "class 71", "class 99"} <= set(labels)
    assert axis.images[0].get_array().shape == (MAX_CLASSES, MAX_CLASSES)


def test_a_class_without_images_is_drawn() -> None:
    matrix = torch.zeros(3, 3, dtype=torch.int64)
    assert "0 of 0 right" in confusion(matrix, NAMES).get_suptitle()


def test_the_png_holds_both_and_no_global_state_is_touched(tmp_path: Path) -> None:
    pyplot_before = "matplotlib.pyplot" in sys.modules
    path = save_png(
        draw_classification([example(0, 1), example(1, 1)], counts(), NAMES),
        tmp_path / "new" / "a.png",
    )
    with Image.open(path) as picture:
        width, height = picture.size
        pixels = np.asarray(picture.convert("RGB"))
    assert width > height > 800
    # Neither half is empty: a matrix or images cover a good part of each.
    for half in (pixels[:, : width // 2], pixels[:, width // 2 :]):
        assert (half != 255).any(axis=2).mean() > 0.1
    assert ("matplotlib.pyplot" in sys.modules) == pyplot_before


def test_sizes_must_agree() -> None:
    with refuses(ConfigError, "(3, 3)", "2 names"):
        confusion(counts(), NAMES[:2])
    with pytest.raises(ConfigError, match="no images"):
        draw_predictions([], NAMES)
