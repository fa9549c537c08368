"""Pictures of panoptic segmentation: segments with their names, and what was not matched."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from vision.contracts.segments import VOID, SegmentInfo
from vision.draw.example_rows import draw_rows
from vision.draw.figure import shade
from vision.draw.palette import GREY, RED, distinct_colors
from vision.draw.pixels import mark_missing, to_tensor
from vision.draw.regions import OPACITY, hatched_patch, pale, read_mask, tint_regions
from vision.draw.tags import Place, draw_tag, enlarge, enlargement, tag_size
from vision.draw.text import one_line
from vision.errors import ConfigError, listed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = ("image", "ground truth", "prediction", "errors")
# Names of segments that are smaller than a share of the name would hide them.
MIN_SHARE_OF_TAG = 0.5
# Pixels, long side of the mask in which the place of a name is looked for.
ANCHOR_SIDE = 160
MISSED = (43, 108, 212)
BOTH = (130, 60, 150)
# Colours of segments without a match.
ERRORS = {"wrong segment": RED, "missed segment": MISSED, "wrong on missed": BOTH}


@dataclass(frozen=True)
class Segmented:
    """The segments of an image.

    Attributes:
        mask: Integers `(H, W)` segment id, `VOID` for none.
        segments: The segments in it.
    """

    mask: Tensor
    segments: Sequence[SegmentInfo]


@dataclass(frozen=True)
class PanopticExample:
    """An image with its true and predicted segments.

    Attributes:
        title: A line above it.
        image: uint8 `(3, H, W)` RGB.
        prediction: What was found.
        target: The ground truth.
        wrong: Ids in the prediction of segments without a match.
        missed: Ids in the ground truth of segments without a match.
    """

    title: str
    image: Tensor
    prediction: Segmented
    target: Segmented
    wrong: Collection[int]
    missed: Collection[int]


def segment_colors(
    segments: Sequence[SegmentInfo], palette: np.ndarray | None = None
) -> dict[int, tuple[int, int, int]]:
    """The colour of each segment by id: of its class, in a few shades for objects of one class.

    Args:
        segments: The segments of an image; crowds are grey.
        palette: uint8 `(K, 3)` RGB colour of each class; None uses ours.
    """
    colors = distinct_colors() if palette is None else palette
    seen: Counter[int] = Counter()
    found = {}
    for one in segments:
        if one.get("iscrowd"):
            found[one["id"]] = GREY
            continue
        label = one["category_id"]
        red, green, blue = (int(part) for part in colors[label % len(colors)])
        found[one["id"]] = shade((red, green, blue), seen[label])
        seen[label] += 1
    return found


def draw_segments(
    image: Tensor,
    found: Segmented,
    *,
    class_names: Sequence[str],
    palette: np.ndarray | None = None,
    opacity: float = OPACITY,
    names: bool = True,
) -> Tensor:
    """Tint an image with its segments, outline them, and write their names.

    Args:
        image: uint8 `(3, H, W)` RGB.
        found: The segments; pixels of none are grey with light stripes.
        class_names: Name of each class, by index.
        palette: uint8 `(K, 3)` RGB colour of each class; None uses ours.
        opacity: Of the colours, in [0, 1].
        names: Whether to write names; those of segments that are too small for them are left out.

    Returns:
        uint8 `(3, H', W')` RGB: the image; with names it is enlarged by a whole number if its long
        side is below 512 pixels.

    Raises:
        ConfigError: The shapes do not agree, the mask has an id that is not listed, or a class has
            no name.
    """
    regions = _regions(found, image)
    colors = segment_colors(found.segments, palette)
    table = np.array([GREY, *colors.values()], np.uint8)
    if not names:
        return tint_regions(image, regions, table, ignored=0, opacity=opacity)
    factor = enlargement(image.shape[1:])
    large = regions.repeat(factor, 0).repeat(factor, 1)
    picture = tint_regions(enlarge(image, factor), large, table, ignored=0, opacity=opacity)
    return _write_names(picture, large, found.segments, list(colors.values()), class_names)


def draw_mismatches(
    image: Tensor,
    prediction: Segmented,
    target: Segmented,
    *,
    wrong: Collection[int],
    missed: Collection[int],
) -> Tensor:
    """Show segments without a match on a pale image.

    Args:
        image: uint8 `(3, H, W)` RGB.
        prediction: What was found.
        target: The ground truth; its void pixels are grey with light stripes.
        wrong: Ids in the prediction, drawn red.
        missed: Ids in the ground truth, drawn blue; violet where both are.

    Returns:
        uint8 `(3, H, W)` RGB.

    Raises:
        ConfigError: The shapes do not agree.
    """
    found, true = read_mask(prediction.mask, image), read_mask(target.mask, image)
    is_wrong, is_missed = np.isin(found, list(wrong)), np.isin(true, list(missed))
    picture = pale(image)
    picture[is_wrong], picture[is_missed] = RED, MISSED
    picture[is_wrong & is_missed] = BOTH
    void = (true == VOID) & ~is_wrong
    mark_missing(picture, void)
    return to_tensor(picture)


def draw_examples(
    examples: Iterable[PanopticExample],
    class_names: Sequence[str],
    palette: np.ndarray | None = None,
) -> "Figure":
    """Draw a row for each image: the image, its target, its prediction and the mismatches.

    Args:
        examples: At least one; only one is held in memory at a time.
        class_names: Name of each class, by index.
        palette: uint8 `(K, 3)` RGB colour of each class; None uses ours.

    Returns:
        A figure for `save_png`.

    Raises:
        ConfigError: There are no examples, or one cannot be drawn.
    """
    from matplotlib.patches import Patch

    rows = ((one.title, draw_parts(one, class_names, palette)) for one in examples)
    figure = draw_rows(rows, COLUMNS)
    patches = [
        Patch(facecolor="#{:02x}{:02x}{:02x}".format(*color), label=name)
        for name, color in ERRORS.items()
    ]
    patches.append(hatched_patch("void"))
    figure.legend(handles=patches, loc="outside lower center", ncols=8, frameon=False, fontsize=8)
    return figure


def draw_parts(
    example: PanopticExample, class_names: Sequence[str], palette: np.ndarray | None = None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The image, its target, its prediction and the mismatches, of one size.

    Args:
        example: What is drawn.
        class_names: Name of each class, by index.
        palette: uint8 `(K, 3)` RGB colour of each class; None uses ours.

    Returns:
        uint8 `(3, H', W')` RGB each, enlarged as by `draw_segments`.
    """
    factor = enlargement(example.image.shape[1:])
    errors = draw_mismatches(
        example.image,
        example.prediction,
        example.target,
        wrong=example.wrong,
        missed=example.missed,
    )
    truth, found = (
        draw_segments(example.image, one, class_names=class_names, palette=palette)
        for one in (example.target, example.prediction)
    )
    large = errors.repeat_interleave(factor, 1).repeat_interleave(factor, 2)
    return enlarge(example.image, factor), truth, found, large


def _regions(found: Segmented, image: Tensor) -> np.ndarray:
    """The number of each pixel's segment from 1, 0 for void: int64 `(H, W)`."""
    mask = read_mask(found.mask, image)
    ids = np.array([VOID, *(one["id"] for one in found.segments)], np.int64)
    order = np.argsort(ids, kind="stable")
    places = np.searchsorted(ids, mask, sorter=order).clip(max=len(ids) - 1)
    regions: np.ndarray = order[places]
    unlisted = np.unique(mask[ids[regions] != mask])
    if len(unlisted):
        raise ConfigError(
            f"the mask has pixels of segment {listed(unlisted)}, which is not among the "
            f"{len(ids) - 1} segments that were given."
        )
    return regions


def _write_names(
    picture: Tensor,
    regions: np.ndarray,
    segments: Sequence[SegmentInfo],
    colors: Sequence[tuple[int, int, int]],
    class_names: Sequence[str],
) -> Tensor:
    from PIL import Image, ImageDraw

    drawn = Image.fromarray(picture.permute(1, 2, 0).numpy())
    draw = ImageDraw.Draw(drawn)
    areas = np.bincount(regions.ravel(), minlength=len(segments) + 1)[1:]
    taken: list[Place] = []
    # Small segments first: large ones have more room for their names.
    for number in np.argsort(areas, kind="stable").tolist():
        text = _text(segments[number], class_names)
        width, height = tag_size(text, drawn.size)
        if areas[number] < MIN_SHARE_OF_TAG * width * height:
            continue
        x, y = _anchor(regions == number + 1)
        left, top = x - width // 2, y - height // 2
        wishes = [(left, top), (left, top - height), (left, top + height)]
        taken.append(
            draw_tag(draw, text, colors[number], wishes=wishes, taken=taken, picture=drawn.size)
        )
    return to_tensor(np.asarray(drawn))


def _text(segment: SegmentInfo, class_names: Sequence[str]) -> str:
    label = segment["category_id"]
    if not 0 <= label < len(class_names):
        raise ConfigError(f"class index {label} has no name: {len(class_names)} names were given.")
    name = one_line(class_names[label], 24)
    return f"{name} (crowd)" if segment.get("iscrowd") else name


def _anchor(inside: np.ndarray) -> tuple[int, int]:
    """Column and row of the pixel that is farthest from the edge of a region, bool `(H, W)`."""
    from scipy.ndimage import distance_transform_edt

    step = max(1, -(-max(inside.shape) // ANCHOR_SIDE))
    small = np.pad(inside[::step, ::step], 1)
    if not small.any():
        rows, columns = np.nonzero(inside)
        return int(columns[len(columns) // 2]), int(rows[len(rows) // 2])
    place = int(distance_transform_edt(small).argmax())
    row, column = divmod(place, small.shape[1])
    return (column - 1) * step, (row - 1) * step
