import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from vision.report.page import (
    LARGEST,
    POLICY,
    Html,
    big_numbers,
    data_uri,
    escape,
    facts,
    number,
    page,
    picture,
    section,
    signed,
    table,
)

EVIL = "<script>alert('1')</script>\"&"


def test_text_is_escaped_and_markup_is_not() -> None:
    assert escape(EVIL) == "&lt;script&gt;alert(&#x27;1&#x27;)&lt;/script&gt;&quot;&amp;"
    assert escape(Html("<b>")) == "<b>"
    pixels = np.zeros((4, 4, 3), np.uint8)
    whole = page(
        EVIL,
        [
            section(EVIL, table([EVIL], [[EVIL, EVIL, 1.0]], caption=EVIL), lead=EVIL),
            section("2", picture(pixels, alt=EVIL, caption=EVIL), facts([(EVIL, EVIL)])),
        ],
        header=big_numbers([(EVIL, EVIL)]),
    )
    assert "<script" not in whole
    assert whole.count("&lt;script&gt;") >= 12


def test_a_page_forbids_requests_and_has_none() -> None:
    whole = page("Title", [section("One", picture(np.zeros((4, 4, 3), np.uint8), alt="black"))])
    assert POLICY.startswith("default-src 'none'")
    assert f'content="{POLICY}"' in whole
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)""", whole)
    assert "url(" not in whole
    assert "@import" not in whole


def test_tables_have_headings_with_a_scope_and_a_caption() -> None:
    shown = table(["class", "AP"], [["cat", 0.25], ["dog", None]], caption="Classes")
    assert shown.count('<th scope="col">') == 2
    assert shown.count('<th scope="row">') == 2
    assert "<caption>Classes</caption>" in shown
    assert '<td class="number">0.2500</td>' in shown
    assert '<td class="number">-</td>' in shown


@pytest.mark.parametrize(
    ("value", "text"),
    [(1234567, "1,234,567"), (0.12345, "0.1235"), (0.0, "0.0000"), (1e-6, "1e-06"), (None, "-")],
)
def test_numbers(value: float | None, text: str) -> None:
    assert number(value) == text
    assert number(float("nan")) == "-"


def test_differences_are_coloured_by_what_is_better() -> None:
    assert 'class="gain">+0.1000' in signed(0.1)
    assert 'class="loss">+0.1000' in signed(0.1, better="lower")
    assert 'class="gain">-0.1000' in signed(-0.1, better="lower")
    assert 'class="same"' in signed(-0.00001)
    assert "class" not in signed(0.1, better="")
    assert signed(None) == "-"


def read(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))


def test_pictures_are_bounded_and_small_ones_exact() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 9, 3), dtype=np.uint8)
    small = read(data_uri(pixels))
    assert small.format == "PNG"
    np.testing.assert_array_equal(np.asarray(small), pixels)
    large = read(data_uri(np.zeros((1500, 3000, 3), np.uint8)))
    assert (large.format, large.size) == ("JPEG", (LARGEST, LARGEST // 2))


def test_sections_are_linked() -> None:
    whole = page("T", [section("Sizes & more")])
    assert '<section id="sizes-more">' in whole
    assert '<a href="#sizes-more">Sizes &amp; more</a>' in whole
