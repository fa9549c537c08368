"""What reports show of single images: pictures side by side, and the images that changed."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from vision.callbacks.results.examples import Scored
from vision.report.page import Html, escape, gallery, join, section, subsection, table
from vision.wording import counted

# Longer side, in pixels, of each picture of an example.
LARGEST = 480
MAX_CHANGED = 20
TITLES = {"worst": "Worst", "best": "Best", "random": "Random"}


def example_galleries(
    chosen: Mapping[str, Sequence[Scored]],
    kept: Mapping[int, Any],
    show: Callable[[Scored], Html],
) -> list[Html]:
    """Show the worst, the best and random images, a subsection each.

    Args:
        chosen: The images of each kind.
        kept: What was predicted for images, by index in the dataset; others are left out.
        show: Shows an image.
    """
    parts = []
    for kind, title in TITLES.items():
        pictures = [show(one) for one in chosen[kind] if one.place in kept]
        if pictures:
            parts.append(subsection(title, gallery(pictures, wide=True)))
    return parts


def no_examples() -> Html:
    """The section of examples of a dataset that has no `example(i)`."""
    return section("Examples", lead="The dataset has no images to show.")


def legend(entries: Iterable[tuple[str, Sequence[int]]], hatched: str | None) -> Html:
    """Name the colours of pictures.

    Args:
        entries: Names, each with its red, green and blue, 0 to 255.
        hatched: What is grey with light stripes; None if nothing is.
    """
    items = [
        f'<li style="--s:rgb({int(c[0])},{int(c[1])},{int(c[2])})">{escape(name)}</li>'
        for name, c in entries
    ]
    if hatched is not None:
        items.append(f'<li class="hatched">{escape(hatched)}</li>')
    return Html(f'<ul class="legend">{join(map(Html, items))}</ul>')


def shrink(image: Tensor) -> np.ndarray:
    """A picture, uint8 `(3, H, W)`, as `(h, w, 3)` of at most `LARGEST` pixels."""
    from PIL import Image

    shown = Image.fromarray(image.permute(1, 2, 0).contiguous().cpu().numpy())
    shown.thumbnail((LARGEST, LARGEST), Image.Resampling.BOX)
    return np.asarray(shown)


def two_by_two(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Arrange four pictures of one size in two rows, with grey between them."""
    height, width = pictures[0].shape[:2]
    gap = max(2, width // 60)
    sheet = np.full((2 * height + gap, 2 * width + gap, 3), 150, np.uint8)
    for i, one in enumerate(pictures):
        top, left = (i // 2) * (height + gap), (i % 2) * (width + gap)
        sheet[top : top + height, left : left + width] = one
    return sheet


def changed_images(
    values: Iterable[tuple[str, float]],
    theirs: Mapping[str, Mapping[str, str]],
    *,
    column: str,
    what: str,
    lower: bool = False,
) -> list[Html]:
    """Show the images that gained and lost most since another evaluation.

    Args:
        values: Name and value of each image.
        theirs: Rows of the other evaluation's images, by image name.
        column: Name of the value in these rows.
        what: What the value is, for the captions.
        lower: Whether lower values are better.
    """
    gains = []
    for name, value in values:
        before = theirs.get(name, {}).get(column)
        if before:
            gains.append((value - float(before), name, value))
    better: Callable[[float], float] = (lambda gain: -gain) if lower else (lambda gain: gain)
    shown = []
    for title, sign in (("Largest gains", 1), ("Largest losses", -1)):
        chosen = sorted(
            (one for one in gains if sign * better(one[0]) > 0),
            key=lambda one: -sign * better(one[0]),
        )
        rows = [
            (name, value - gain, value, f"{gain:+.4f}")
            for gain, name, value in chosen[:MAX_CHANGED]
        ]
        cells = table(("image", "before", "now", "difference"), rows, caption=what)
        shown.append(subsection(title, cells, lead=counted(len(chosen), "images")))
    return shown
