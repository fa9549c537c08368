"""A self-contained HTML file: its parts, its style, and the escaping of text.

A page follows the reader's light or dark setting, fits phones and wide screens, and may fetch
nothing: a policy in its head forbids every request. The functions of this file and of `charts.py`
make the parts. They escape plain text and insert `Html` as it is.
"""

import base64
import html
import io
import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vision.files import write_text
from vision.report.style import CSS

# Pictures are shrunk to this many pixels on the longer side.
LARGEST = 1000
# Up to this many pixels a picture is stored losslessly, and enlarged without blur.
SMALL = 96 * 96
JPEG_QUALITY = 82
# The page may only use styles and pictures that it contains.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
# Shown for a missing number.
NOTHING = "-"


class Html(str):
    """Markup, which is inserted as it is; any other text is escaped."""

    __slots__ = ()


def escape(value: object) -> Html:
    """Markup for a value: `Html` as it is, other text escaped, None as a dash."""
    if isinstance(value, Html):
        return value
    return Html(NOTHING if value is None else html.escape(str(value), quote=True))


def join(parts: Iterable[object]) -> Html:
    """Parts one after the other."""
    return Html("".join(escape(part) for part in parts))


def number(value: float | int | None, *, digits: int = 4) -> str:
    """Format a number: integers with separators, fractions rounded, missing ones as a dash.

    Args:
        value: None and NaN mean missing.
        digits: Digits after the decimal point.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return NOTHING
    if isinstance(value, int | np.integer):
        return f"{value:,}"
    if value and (abs(value) < 10**-digits or abs(value) >= 1e6):
        return f"{value:.3g}"
    return f"{value:.{digits}f}"


def paragraph(text: object) -> Html:
    """A paragraph of text."""
    return Html(f"<p>{escape(text)}</p>")


def note(text: object) -> Html:
    """A paragraph in small print."""
    return Html(f'<p class="note">{escape(text)}</p>')


def section(title: str, *parts: object, lead: object = "") -> Html:
    """A section of the page, which the navigation at its top links to.

    Args:
        title: Heading, unique in the page.
        parts: Contents.
        lead: A line below the heading.
    """
    opening = f'<p class="note">{escape(lead)}</p>' if lead else ""
    return Html(
        f'<section id="{anchor(title)}"><h2>{escape(title)}</h2>{opening}{join(parts)}</section>'
    )


def subsection(title: str, *parts: object, lead: object = "") -> Html:
    """A part of a section, with a heading."""
    opening = f'<p class="note">{escape(lead)}</p>' if lead else ""
    return Html(f"<div class=part><h3>{escape(title)}</h3>{opening}{join(parts)}</div>")


def columns(*parts: object) -> Html:
    """Parts side by side, or one below the other where there is no room."""
    return Html(f'<div class="columns">{join(parts)}</div>')


def details(summary: object, *parts: object) -> Html:
    """Parts that the reader unfolds."""
    return Html(f"<details><summary>{escape(summary)}</summary>{join(parts)}</details>")


def big_numbers(entries: Iterable[tuple[object, object]]) -> Html:
    """The most important values, in large type.

    Args:
        entries: Name and value of each.
    """
    items = (f"<div><dt>{escape(n)}</dt><dd>{escape(value)}</dd></div>" for n, value in entries)
    return Html(f'<dl class="big">{"".join(items)}</dl>')


def facts(entries: Iterable[tuple[object, object]]) -> Html:
    """A list of names and values."""
    items = (f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in entries)
    return Html(f'<dl class="facts">{"".join(items)}</dl>')


def table(
    headings: Sequence[object],
    rows: Iterable[Sequence[object]],
    *,
    caption: object,
    digits: int = 4,
    tall: bool = False,
    headed: bool = False,
) -> Html:
    """A table in a scrolling container, so that the page itself never scrolls sideways.

    Args:
        headings: One per column.
        rows: Cells; the first of a row names it. Numbers are formatted by `number`, right-aligned.
        caption: Caption, shown above the table and read out by screen readers.
        digits: Digits after the decimal point.
        tall: Whether to limit the height of the container, for many rows.
        headed: Whether the heading above says what the caption says: it is then only read out.
    """
    unseen = ' class="unseen"' if headed else ""
    kinds = "scroll tall" if tall else "scroll"
    head = "".join(f'<th scope="col">{escape(one)}</th>' for one in headings)
    body = "".join(_row(row, digits) for row in rows)
    return Html(
        f'<div class="{kinds}" tabindex="0" role="region" aria-label="{escape(caption)}">'
        f"<table><caption{unseen}>{escape(caption)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )


def _row(cells: Sequence[object], digits: int) -> str:
    first, *rest = cells
    return (
        f'<tr><th scope="row">{_cell(first, digits)}</th>'
        + "".join(
            f'<td class="{"number" if _is_number(cell) else "text"}">{_cell(cell, digits)}</td>'
            for cell in rest
        )
        + "</tr>"
    )


def _is_number(cell: object) -> bool:
    return cell is None or isinstance(cell, int | float | np.number | Signed)


def _cell(cell: Any, digits: int) -> Html:
    if _is_number(cell) and not isinstance(cell, Signed):
        return escape(number(cell, digits=digits))
    return escape(cell)


class Signed(Html):
    """A difference, coloured by whether it is an improvement."""

    __slots__ = ()


def signed(value: float | None, *, better: str = "higher", digits: int = 4) -> Signed:
    """A signed difference, green for an improvement and red for the opposite.

    Args:
        value: The difference; None or NaN if there is none.
        better: Whether `"higher"` or `"lower"` values are better; `""` for neither.
        digits: Digits after the decimal point.
    """
    if value is None or math.isnan(value):
        return Signed(NOTHING)
    text = f"{value:+.{digits}f}"
    if float(f"{value:.{digits}f}") == 0:
        return Signed(f'<span class="same">{"±" + text[1:]}</span>')
    if not better:
        return Signed(text)
    kind = "gain" if (value > 0) == (better == "higher") else "loss"
    return Signed(f'<span class="{kind}">{text}</span>')


def gallery(figures: Iterable[object], *, wide: bool = False) -> Html:
    """Pictures in as many columns as fit.

    Args:
        figures: Results of `picture`.
        wide: Whether the pictures are several times as wide as high.
    """
    kind = "gallery wide" if wide else "gallery"
    return Html(f'<div class="{kind}">{join(figures)}</div>')


def picture(
    pixels: np.ndarray, *, alt: str, caption: object = "", frame: str = "", large: bool = False
) -> Html:
    """A picture within the page.

    Args:
        pixels: uint8 `(H, W, 3)` RGB; large ones are shrunk.
        alt: Alternative text.
        caption: A line below it.
        frame: `"right"`, `"wrong"` or `""`: the colour around it.
        large: Whether to enlarge a small picture to the full width, without blur.
    """
    source = data_uri(pixels)
    small = " small" if pixels.shape[0] * pixels.shape[1] <= SMALL or large else ""
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return Html(
        f'<figure class="picture {escape(frame)}{small}"><img src="{source}" '
        f'alt="{escape(alt)}">{below}</figure>'
    )


def data_uri(pixels: np.ndarray) -> str:
    """A picture as a data URI: PNG if small, otherwise JPEG of at most `LARGEST` pixels a side.

    Args:
        pixels: uint8 `(H, W, 3)` RGB.
    """
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(pixels))
    kind, options = "JPEG", {"quality": JPEG_QUALITY}
    if image.width * image.height <= SMALL:
        kind, options = "PNG", {}
    image.thumbnail((LARGEST, LARGEST), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def anchor(title: str) -> str:
    """The id of a section, for links."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "section"


def page(title: str, sections: Sequence[Html], *, header: object = "") -> str:
    """The whole file.

    Args:
        title: Heading of the page and of its window.
        sections: Results of `section`.
        header: Shown between the heading and the sections.
    """
    found = [re.match(r'<section id="([^"]*)"><h2>(.*?)</h2>', one) for one in sections]
    links = "".join(f'<li><a href="#{one[1]}">{one[2]}</a></li>' for one in found if one)
    contents = f'<nav aria-label="Sections"><ul>{links}</ul></nav>' if links else ""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n<style>\n{CSS}</style>\n</head>\n<body>\n"
        f"<header><h1>{escape(title)}</h1>\n{escape(header)}</header>\n{contents}\n"
        f"<main>\n{chr(10).join(sections)}\n</main>\n</body>\n</html>\n"
    )


def write_page(path: Path | str, text: str) -> Path:
    """Write a page; its folder is created if absent. Returns the path."""
    path = Path(path)
    write_text(path, text)
    return path
