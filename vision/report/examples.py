"""What reports show of single images: pictures side by side, and the images that changed."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from torch import Tensor

from vision.report.page import Html, subsection, table
from vision.wording import counted

# Longer side, in pixels, of each picture of an example.
LARGEST = 480
MAX_CHANGED = 20
TITLES = {"worst": "Worst", "best": "Best", "random": "Random"}


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
