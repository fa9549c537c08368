import re

import pytest
from helpers.color_difference import least_difference

from vision.report.charts import INKS
from vision.report.style import CSS, DARK, LIGHT, SERIES


def rgb(colour: str) -> list[float]:
    return [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]


def luminance(colour: list[float]) -> float:
    """Relative luminance, WCAG 2.2."""
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: list[float], other: list[float]) -> float:
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_text_and_lines_have_the_contrast_of_wcag(theme: dict[str, str]) -> None:
    for ground in ("ground", "surface"):
        for name in ("ink", "faint", "link", "good", "bad"):
            assert contrast(rgb(theme[name]), rgb(theme[ground])) >= 4.5, (name, ground)
    for i in range(SERIES):
        assert contrast(rgb(theme[f"c{i}"]), rgb(theme["surface"])) >= 3, i


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_twenty_lines_can_be_told_apart(theme: dict[str, str]) -> None:
    assert SERIES == 20
    colors = [[255 * part for part in rgb(theme[f"c{i}"])] for i in range(SERIES)]
    assert least_difference(colors) >= 12
    assert least_difference(colors[:8]) >= 14


def test_on_paper_a_page_is_light_and_keeps_its_colours() -> None:
    assert "@media screen and (prefers-color-scheme:dark)" in CSS
    assert "print-color-adjust:exact" in CSS.split("@media print")[1]


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_numbers_are_legible_on_cells_of_every_share(theme: dict[str, str]) -> None:
    heat, surface = rgb(theme["heat"]), rgb(theme["surface"])
    for percent in range(4, 101):
        share = percent / 100
        cell = [share * h + (1 - share) * s for h, s in zip(heat, surface, strict=True)]
        name = [name for minimum, name in INKS.items() if share >= minimum][-1]
        assert contrast(rgb(theme[f"heat-{name}"]), cell) >= 4.5, (percent, name)


def test_every_colour_that_is_used_is_defined_in_both_themes() -> None:
    assert set(LIGHT) == set(DARK)
    assert {*re.findall(r"var\(--([\w-]+)\)", CSS)} - {"s"} <= {*LIGHT}
