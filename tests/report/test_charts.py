import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from vision.report.charts import (
    BOTTOM,
    HEIGHT,
    LEFT,
    MAX_POINTS,
    RIGHT,
    TOP,
    WIDTH,
    Axis,
    Series,
    bar,
    heat_map,
    histogram,
    line_chart,
    reliability_chart,
    scatter_chart,
    ticks,
)

EVIL = "<script>"
UNIT = Axis("x", 0.0, 1.0)


def paths(chart: str, kind: str) -> list[str]:
    return re.findall(rf'<path class="{kind}"[^>]* d="([^"]*)"', chart)


def test_a_line_begins_and_ends_in_the_corners_of_its_axes() -> None:
    chart = line_chart([Series("a", [0, 1], [0, 1])], UNIT, UNIT, title="T")
    (path,) = paths(chart, "curve s0")
    assert path == f"M{LEFT}.0 {HEIGHT - BOTTOM}.0h.01L{WIDTH - RIGHT}.0 {TOP}.0"


def test_unknown_values_break_a_line_and_many_points_are_thinned() -> None:
    broken = line_chart([Series("a", [0, 1, 2], [0, np.nan, 1])], Axis("x"), UNIT, title="T")
    assert paths(broken, "curve s0")[0].count("M") == 2
    many = np.arange(10_000.0)
    (path,) = paths(
        line_chart([Series("a", many, many)], Axis("x"), Axis("y"), title="T"), "curve s0"
    )
    assert path.count("L") == MAX_POINTS - 1


def test_a_band_lies_between_its_lower_and_upper_values() -> None:
    band = ([0, np.nan, 0], [1, 1, 1])
    chart = line_chart(
        [Series("a", [0, 0.5, 1], [0.5, 0.5, 0.5], band=band)], UNIT, UNIT, title="T"
    )
    (path,) = paths(chart, "band s0")
    left, right, low, high = LEFT, WIDTH - RIGHT, HEIGHT - BOTTOM, TOP
    assert path == f"M{left}.0 {low}.0L{right}.0 {low}.0L{right}.0 {high}.0L{left}.0 {high}.0Z"


def test_points_lie_in_one_range_around_the_line_where_both_agree() -> None:
    points = Series("a", [5.0, 0.0, np.nan], [0.0, 10.0, 3.0])
    chart = scatter_chart([points], Axis("x"), Axis("y"), title="T", names=["p", EVIL, "r"])
    circles = re.findall(r'<circle class="ring s0" cx="([^"]*)" cy="([^"]*)"', chart)
    middle = (LEFT + WIDTH - RIGHT) / 2
    assert circles == [(f"{middle:.1f}", f"{HEIGHT - BOTTOM}.0"), (f"{LEFT}.0", f"{TOP}.0")]
    (path,) = paths(chart, "guide")
    assert path == f"M{LEFT}.0 {HEIGHT - BOTTOM}.0h.01L{WIDTH - RIGHT}.0 {TOP}.0"
    assert "a, p: 0" in chart
    assert EVIL not in chart


def test_charts_are_well_formed_and_escape_their_texts() -> None:
    charts = [
        line_chart([Series(EVIL, [0, 1], [1, 2])] * 9, Axis(EVIL), Axis(EVIL), title=EVIL),
        reliability_chart([0, 0.5, 1], [0.25, None], [0.5, None], title=EVIL, x_title=EVIL),
        histogram([0, 0.5, 1], [3, 4], title=EVIL, x_title=EVIL, y_title=EVIL),
        heat_map(np.eye(2, dtype=int), [EVIL, "b"], title=EVIL, row_title=EVIL),
        bar(0.5),
    ]
    for chart in charts:
        ET.fromstring(chart)
        assert EVIL not in chart


def test_a_bar_of_reliability_reaches_its_share() -> None:
    chart = reliability_chart([0, 0.5, 1], [0.25, None], [0.5, None], title="T")
    heights = [float(h) for h in re.findall(r'class="fill s0"[^>]* height="([\d.]+)"', chart)]
    assert heights == [pytest.approx(0.25 * (HEIGHT - TOP - BOTTOM), abs=0.1)]


def boxes(chart: str, kind: str) -> list[dict[str, float]]:
    found = re.findall(rf'<rect class="{kind}" ([^>]*)/>', chart)
    return [{k: float(v) for k, v in re.findall(r'(\w+)="([-\d.]+)"', one)} for one in found]


@pytest.mark.parametrize(
    ("accuracy", "confidence", "kind"), [(0.9, 0.6, "under"), (0.4, 0.7, "over")]
)
def test_the_gap_leaves_the_accuracy_visible(accuracy: float, confidence: float, kind: str) -> None:
    chart = reliability_chart([0.5, 1.0], [accuracy], [confidence], title="T", y_title="accuracy")
    (bar_,), (gap,) = boxes(chart, "fill s0"), boxes(chart, f"gap {kind}")
    height = HEIGHT - TOP - BOTTOM
    up = HEIGHT - BOTTOM
    assert bar_["y"] == pytest.approx(up - accuracy * height, abs=0.1)
    top, bottom = max(accuracy, confidence), min(accuracy, confidence)
    assert gap["y"] == pytest.approx(up - top * height, abs=0.1)
    assert gap["height"] == pytest.approx((top - bottom) * height, abs=0.2)
    # On both sides of the gap the bar is seen up to the accuracy.
    assert gap["x"] - bar_["x"] > 0.2 * bar_["width"]
    assert bar_["width"] - gap["width"] > 0.4 * bar_["width"]
    assert ("underconfident" in chart, "overconfident" in chart) == (True, True)


def test_axes_have_numbers_at_both_ends() -> None:
    for high in (7.3, 12, 90, 0.0123, 250_000):
        chart = line_chart([Series("a", [0, high], [0.13, 0.97])], Axis("x"), Axis("y"), title="T")
        across = [float(x) for x in re.findall(r'x="([\d.]+)" y="[\d.]+" text-anchor="mid', chart)]
        up = [float(y) for y in re.findall(r'y="([\d.]+)" text-anchor="end"', chart)]
        assert {float(LEFT), float(WIDTH - RIGHT)} <= {*across}
        assert {TOP + 4.0, HEIGHT - BOTTOM + 4.0} <= {*up}


def test_the_best_is_marked_and_an_explanation_stands_below() -> None:
    chart = line_chart(
        [Series("a", [0, 1], [0, 1], best=(0.5, 0.25))],
        UNIT,
        UNIT,
        title="T",
        guide=0.5,
        explanation=EVIL,
    )
    (ring,) = re.findall(r'<circle class="ring s0" cx="([\d.]+)" cy="([\d.]+)"', chart)
    middle = (LEFT + WIDTH - RIGHT) / 2
    assert (float(ring[0]), float(ring[1])) == (
        pytest.approx(middle),
        pytest.approx(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) / 4),
    )
    (guide,) = paths(chart, "guide")
    assert guide.startswith(f"M{middle:.1f} ")
    assert "best a: 0.2500" in chart
    assert EVIL not in chart
    ET.fromstring(chart)


def test_dashed_lines_are_dashed_in_the_legend() -> None:
    chart = line_chart([Series(f"n{i}", [0, 1], [0, i]) for i in range(20)], UNIT, UNIT, title="T")
    drawn = re.findall(r'class="curve (s\d+(?: again)?)"', chart)
    named = re.findall(r'<li class="(s\d+(?: again)?)">n\d+<', chart)
    assert drawn == named
    assert len({*drawn}) == 20
    assert sum("again" in one for one in drawn) == 10


@pytest.mark.parametrize(
    ("value", "maximum", "width"), [(0.25, 1, 25.0), (3, 2, 100.0), (None, 1, 0.0), (-1, 1, 0.0)]
)
def test_bars_of_cells(value: float | None, maximum: float, width: float) -> None:
    assert f'class="fill s0" width="{width}%"' in bar(value, maximum=maximum)


def test_cells_are_as_dark_as_their_share_of_the_row() -> None:
    chart = heat_map(np.array([[3, 1], [0, 0]]), ["a", "b"], title="T")
    shares = [float(share) for share in re.findall(r'fill-opacity="([\d.]+)"', chart)]
    assert shares == [0.75, 0.25, 0.04, 0.04]
    assert "a as b: 1 (25.0%)" in chart
    assert chart.count('class="high"') == chart.count('class="low"') == 1


def test_ticks_are_round_and_within() -> None:
    assert [label for _, label in ticks(0, 1)] == ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]
    assert [value for value, _ in ticks(0, 70_000)] == [0, 20_000, 40_000, 60_000]
    assert [label for _, label in ticks(0, 70_000)][1] == "20k"
    for low, high in ((-3.2, 4.1), (1e-5, 3e-4), (99.0, 101.5)):
        places = [value for value, _ in ticks(low, high)]
        assert 3 <= len(places) <= 11
        assert low - 1e-9 <= places[0]
        assert places[-1] <= high + 1e-9
