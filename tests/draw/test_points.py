"""Labelled points: colours of classes and of errors, panels, legends."""

import numpy as np
import torch
from helpers.refusals import refuses

from vision.contracts.points import IGNORED
from vision.draw.clouds import BACKGROUND
from vision.draw.palette import GREY, RED
from vision.draw.points import (
    MAX_NAMED,
    Panel,
    draw_comparison,
    draw_labels,
    draw_panels,
    error_colors,
    label_colors,
    legend_of,
    with_legend,
)
from vision.draw.segmentation import class_palette
from vision.errors import ConfigError

POINTS = np.random.default_rng(0).random((500, 3))
COLORS = np.random.default_rng(1).integers(0, 256, (500, 3)).astype(np.uint8)
LABELS = np.arange(500) % 3
PALETTE = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8)


def test_classes_have_their_colours_and_others_none() -> None:
    found = label_colors(np.array([2, 0, IGNORED]), PALETTE)
    assert found.tolist() == [[0, 0, 255], [255, 0, 0], [*GREY]]
    assert np.array_equal(label_colors(np.array([4])), class_palette(5)[4:])
    with refuses(ConfigError, "class index 3", "3 colours"):
        label_colors(np.array([3]), PALETTE)


def test_wrong_points_are_red_and_ignored_ones_grey() -> None:
    truth, found = np.array([0, 1, IGNORED]), np.array([0, 2, 1])
    right, wrong, ignored = error_colors(found, truth, np.zeros((3, 3), np.uint8))
    assert tuple(wrong) == RED
    assert tuple(ignored) == GREY
    assert right.min() > 150


def test_a_row_for_each_view_and_a_column_for_each_panel() -> None:
    panels = [Panel("a", COLORS), Panel("b", label_colors(LABELS, PALETTE))]
    picture = draw_panels(POINTS, panels, side=60)
    assert picture.shape[2] == 2 * 60
    assert 2 * 60 < picture.shape[1] < 3 * 60
    plain = draw_panels(POINTS, [one._replace(title="") for one in panels], side=60)
    assert torch.equal(picture[:, -120:], plain)
    compared = draw_comparison(POINTS, None, LABELS, LABELS, names=["a", "b", "c"], side=60)
    assert compared.shape[2] == 4 * 60
    # Nothing is wrong.
    assert not (compared == torch.tensor(RED, dtype=torch.uint8)[:, None, None]).all(0).any()
    drawn = draw_labels(POINTS, COLORS, LABELS, side=60)
    alone = draw_labels(POINTS, None, LABELS, side=60)
    assert drawn.shape[1] == alone.shape[1] + 60


def test_a_legend_has_the_classes_that_are_there() -> None:
    labels = np.array([2, 2, 0, IGNORED])
    entries = legend_of([labels], ["x", "y", "z"], PALETTE)
    assert entries == [("z", (0, 0, 255)), ("x", (255, 0, 0)), ("ignored", GREY)]
    assert legend_of([labels[:1]], []) == [("2", tuple(class_palette(3)[2].tolist()))]
    assert len(legend_of([np.arange(200)], [])) == MAX_NAMED
    picture = torch.zeros(3, 10, 200, dtype=torch.uint8)
    assert with_legend(picture, []) is picture
    named = with_legend(picture, entries)
    assert torch.equal(named[:, :10], picture)
    below = named[:, 10:].flatten(1).T.tolist()
    assert [0, 0, 255] in below
    assert [*BACKGROUND] in below
    many = with_legend(picture, legend_of([np.arange(30)], ["a long name"] * 30))
    assert many.shape[1] > 3 * (named.shape[1] - 10)
