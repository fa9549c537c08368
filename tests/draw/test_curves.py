"""The picture of a training's curves."""

import numpy as np
import pytest

from vision.draw.curves import Curve, draw_curves, smooth
from vision.draw.epochs import Epochs
from vision.errors import ConfigError

STEPS = np.arange(50)
LOSS = Curve(STEPS, np.exp(-STEPS / 10.0) + 0.1)
VALIDATION = Curve(np.array([24, 49]), np.array([0.5, 0.75]))


def titles(figure) -> dict[str, str]:
    return {axis.get_title(loc="left"): axis.get_title(loc="right") for axis in figure.axes}


def test_loss_rate_and_metrics_have_a_place_each_and_the_best_is_named() -> None:
    curves = {"train/loss": LOSS, "lr": LOSS, "val/top1": VALIDATION, "val/loss": VALIDATION}
    figure = draw_curves(
        curves, title="run", shown=["val/top1", "val/absent"], monitor=("val/top1", "max")
    )
    expected = {"loss": "", "learning rate": "", "validation": "best top1 0.75, step 49"}
    assert titles(figure) == expected
    loss, metrics = figure.axes[0], figure.axes[-1]
    if metrics.get_title(loc="left") != "validation":
        metrics = next(a for a in figure.axes if a.get_title(loc="left") == "validation")
    raw, smoothed, validated = loss.lines
    np.testing.assert_array_equal(raw.get_ydata(), LOSS.values)
    np.testing.assert_allclose(smoothed.get_ydata(), smooth(LOSS.values, 1.0))
    np.testing.assert_array_equal(validated.get_ydata(), VALIDATION.values)
    (label,) = [text.get_text() for text in metrics.get_legend().get_texts()]
    assert label == "top1  0.75"


def test_over_epochs_the_best_epoch_is_named_and_axes_have_numbers_at_both_ends() -> None:
    curves = {"train/loss": LOSS, "lr": LOSS, "val/loss": LOSS, "val/top1": VALIDATION}
    figure = draw_curves(
        curves,
        title="run",
        shown=["val/top1"],
        monitor=("val/top1", "max"),
        epochs=Epochs.of([24, 49], [0, 1]),
        loss_note="Only the training loss smooths.",
    )
    figure.canvas.draw()
    assert titles(figure)["validation"] == "best top1 0.75, epoch 2"
    panels = {axis.get_title(loc="left"): axis for axis in figure.axes}
    np.testing.assert_allclose(panels["validation"].lines[0].get_xdata(), [1, 2])
    assert "epoch" in {axis.get_xlabel() for axis in figure.axes}
    legend = panels["loss"].get_legend()
    assert legend.get_title().get_text() == "Only the training loss smooths."
    for axis in figure.axes:
        for limits, ticks in (
            (axis.get_xlim(), axis.get_xticks()),
            (axis.get_ylim(), axis.get_yticks()),
        ):
            assert (ticks[0], ticks[-1]) == pytest.approx(limits)
            assert len(ticks) >= 3


def test_the_lowest_is_the_best_where_less_is_better() -> None:
    figure = draw_curves({"val/loss": VALIDATION}, title="run", monitor=("val/loss", "min"))
    assert titles(figure) == {"loss": "best loss 0.5, step 24"}


@pytest.mark.parametrize("value", [float("nan"), 1.0])
def test_one_point_and_no_finite_one_can_be_drawn(value: float) -> None:
    one = Curve(np.array([0]), np.array([value]))
    curves = {"train/loss": one, "lr": one, "val/loss": one, "val/top1": one}
    figure = draw_curves(curves, title="r", shown=["val/top1"], monitor=("val/top1", "max"))
    figure.canvas.draw()
    best = titles(figure)["validation"]
    assert best == ("best top1 1, step 0" if value == 1.0 else "")


def test_a_steep_loss_is_logarithmic_and_six_metrics_are_shown() -> None:
    many = {f"val/m{i}": VALIDATION for i in range(9)}
    steep = Curve(STEPS, 10.0 ** (-STEPS / 10.0))
    figure = draw_curves({"train/loss": steep, **many}, title="r", shown=list(many))
    panels = {axis.get_title(loc="left"): axis for axis in figure.axes}
    assert panels["loss"].get_yscale() == "log"
    ends = panels["loss"].get_yticks()[[0, -1]]
    assert panels["loss"].get_ylim() == pytest.approx(tuple(ends))
    assert len(panels["validation"].lines) == 6


def test_with_nothing_to_draw_it_says_so() -> None:
    with pytest.raises(ConfigError, match="val/other"):
        draw_curves({"val/other": VALIDATION}, title="r")


def test_smoothing_is_unbiased_and_passes_over_gaps() -> None:
    values = np.array([2.0, np.nan, 2.0, 4.0])
    assert smooth(values, 1.0) == pytest.approx(values, nan_ok=True)
    # Weights 1/2 and 1/4, 1/8 for the values before, divided by their sum 7/8.
    expected = [2.0, np.nan, 2.0, (4.0 / 2 + 2.0 / 4 + 2.0 / 8) / (7 / 8)]
    assert smooth(values, 2.0) == pytest.approx(expected, nan_ok=True)
