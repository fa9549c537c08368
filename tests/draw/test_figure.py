import sys
from pathlib import Path

import numpy as np
from PIL import Image

from vision.draw.figure import DPI, class_color, new_figure, save_png


def test_a_figure_becomes_a_png_in_a_new_folder_without_global_state(tmp_path: Path) -> None:
    before = "matplotlib.pyplot" in sys.modules
    path = save_png(new_figure(2.0, 1.0), tmp_path / "new" / "a.png")
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        assert picture.size == (2 * DPI, DPI)
    assert ("matplotlib.pyplot" in sys.modules) == before


def test_classes_that_follow_each_other_have_different_colours() -> None:
    colors = np.array([class_color(label) for label in range(100)])
    assert len({tuple(color) for color in colors.tolist()}) == 100
    assert colors.min() >= 0
    assert colors.max() <= 255
    for window in range(96):
        near = colors[window : window + 5].astype(int)
        distances = np.abs(near[:, None] - near[None]).sum(axis=-1)
        assert distances[~np.eye(5, dtype=bool)].min() > 60


def test_objects_of_a_class_differ_in_shade() -> None:
    assert len({class_color(3, instance) for instance in range(3)}) == 3
    assert class_color(3, 1) == class_color(3, 1)
