"""Pictures of volumes: three planes at right angles, with outlines of classes or regions.

Left is left and right is right, as neurologists draw a head; letters at the edges say where each
side lies: L left, R right, P posterior, A anterior, I inferior, S superior. Pixels are squares in
millimetres, whatever the cells are.

Letters: C modalities, K classes or regions; D, H, W cells along the axes of an array.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from vision.contracts.volumes import IGNORED
from vision.draw.figure import class_color, font
from vision.draw.pixels import LIGHT, hatched, to_tensor
from vision.draw.text import one_line
from vision.errors import ConfigError
from vision.ops.volume_axes import orientation_of, reorient, reoriented_affine, spacing_of

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

SIDE = 320  # pixels of the longest side of a volume
UPRIGHT = "RAS"
# The name of a plane, the axis across it, and the axes of its columns and of its rows from below.
VIEWS = (("sagittal", 0, 1, 2), ("coronal", 1, 0, 2), ("axial", 2, 0, 1))
SIDES = (("L", "R"), ("P", "A"), ("I", "S"))
CONVENTION = "left is left (neurological)"
# Share of the cells that are darker than black, and brighter than white.
CLIPPED = 0.005
# Cells of the value of the corners are the surroundings of a body, if they are such a share.
MIN_OUTSIDE = 0.05
WHITE, FAINT = (255, 255, 255), (160, 160, 160)
MAX_SCALE_SHARE = 0.4  # of the width of a plane
MAX_NAMED = 12


class Outline(NamedTuple):
    """Cells that are outlined.

    Attributes:
        inside: bool `(D, H, W)`.
        color: RGB in [0, 255].
        label: Class index, or number of the region: the order of the legend.
        name: In the legend; empty for none.
    """

    inside: np.ndarray
    color: tuple[int, int, int]
    label: int
    name: str = ""


class Plane(NamedTuple):
    """One of the three planes.

    Attributes:
        name: Such as `"axial, z = 12 mm"`.
        picture: uint8 `(H, W, 3)` RGB.
        columns: Axis along its columns.
        rows: Axis along its rows, from below.
    """

    name: str
    picture: np.ndarray
    columns: int
    rows: int


def draw_planes(
    volume: np.ndarray,
    mask: np.ndarray | None,
    affine: np.ndarray,
    *,
    names: Sequence[str] = (),
    palette: np.ndarray | None = None,
    centre_mm: np.ndarray | None = None,
    side: int = SIDE,
    title: str = "",
) -> Tensor:
    """Draw three planes through a place of a volume.

    Args:
        volume: Numbers `(D, H, W)`, or `(C, D, H, W)` of which the first is drawn.
        mask: Integers `(D, H, W)`, class index with 0 for background and `IGNORED` for cells with
            stripes, or bool `(K, D, H, W)` of regions; None draws no outlines.
        affine: `(4, 4)`, from the index of a cell to millimetres.
        names: Name of each class by index, or of each region, for the legend; those that the mask
            has are named.
        palette: uint8 `(K, 3)` RGB of each class or region; None uses ours.
        centre_mm: A place `(3,)` in millimetres through which the planes go; None for the middle
            of the largest region (`centre_of`).
        side: Pixels of the longest side of the volume.
        title: A line above the planes; empty for none.

    Returns:
        uint8 `(3, H', W')` RGB.

    Raises:
        ConfigError: The shapes do not agree.
    """
    grey = volume[0] if volume.ndim == 4 else volume
    if grey.ndim != 3 or (mask is not None and mask.shape[-3:] != grey.shape):
        raise ConfigError(
            f"a volume of shape {volume.shape} and a mask of shape "
            f"{None if mask is None else mask.shape} cannot be drawn: give (D, H, W) or (C, D, H, "
            "W), and a mask of the same cells."
        )
    centre = centre_of(mask, affine, grey.shape) if centre_mm is None else centre_mm
    outlines = [] if mask is None else outlines_of(mask, names, palette)
    ignored = np.zeros(grey.shape, bool) if mask is None or mask.ndim == 4 else mask == IGNORED
    planes = [
        *_cut(_grey_levels(grey), outlines, ignored, affine=affine, centre_mm=centre, side=side)
    ]
    scale = _mm_per_pixel(grey, affine, side)
    return to_tensor(_sheet(planes, outlines, mm_per_pixel=scale, title=title))


def draw_pair(
    volume: np.ndarray,
    truth: np.ndarray,
    found: np.ndarray,
    affine: np.ndarray,
    *,
    names: Sequence[str] = (),
    palette: np.ndarray | None = None,
    side: int = SIDE,
) -> Tensor:
    """Draw the ground truth above the prediction, in the same planes.

    Args:
        volume: As in `draw_planes`.
        truth: A mask, likewise; the planes go through it, or through `found` where it is empty.
        found: A mask, likewise.
        affine: As in `draw_planes`.
        names: Likewise.
        palette: Likewise.
        side: Likewise.

    Returns:
        uint8 `(3, H', W')` RGB.
    """
    centre = centre_of(truth if outlines_of(truth) else found, affine)
    pictures = [
        draw_planes(
            volume,
            mask,
            affine,
            names=names,
            palette=palette,
            centre_mm=centre,
            side=side,
            title=title,
        )
        for title, mask in (("ground truth", truth), ("prediction", found))
    ]
    return torch.cat(pictures, dim=1)


def outlines_of(
    mask: np.ndarray, names: Sequence[str] = (), palette: np.ndarray | None = None
) -> list[Outline]:
    """The classes or regions of a mask, the largest first.

    Args:
        mask: As in `draw_planes`.
        names: Likewise.
        palette: Likewise.
    """
    # The first colour, that of the background of classes, is dark.
    first = 1 if mask.ndim == 4 else 0
    if mask.ndim == 4:
        found = {number: inside for number, inside in enumerate(mask) if inside.any()}
    else:
        present = np.unique(mask).tolist()
        found = {label: mask == label for label in present if label not in (0, IGNORED)}
    ordered = sorted(found, key=lambda label: -int(found[label].sum()))
    return [
        Outline(
            found[label],
            class_color(first + label) if palette is None else tuple(palette[label].tolist()),
            label,
            one_line(names[label], 24) if label < len(names) else "",
        )
        for label in ordered
    ]


def centre_of(
    mask: np.ndarray | None, affine: np.ndarray, shape: tuple[int, ...] = (1, 1, 1)
) -> np.ndarray:
    """The cell of the largest connected region that is nearest to its middle.

    Args:
        mask: As in `draw_planes`.
        affine: Likewise.
        shape: D, H, W, where there is no mask.

    Returns:
        float64 `(3,)`, in millimetres; of the middle of the volume where there is no region.
    """
    if mask is None:
        inside = np.zeros(shape, bool)
    else:
        inside = np.any(mask, axis=0) if mask.ndim == 4 else (mask != 0) & (mask != IGNORED)
    # Upright, so that of several cells the same one is taken for every order of axes.
    upright = reoriented_affine(affine, inside.shape, UPRIGHT)
    inside = reorient(inside, orientation_of(affine), UPRIGHT)
    cell = _middle_cell(inside) if inside.any() else (np.array(inside.shape) - 1) // 2
    return upright[:3, :3] @ cell + upright[:3, 3]


def _middle_cell(inside: np.ndarray) -> np.ndarray:
    from scipy import ndimage

    pieces, count = ndimage.label(inside)
    if count > 1:
        inside = pieces == 1 + np.bincount(pieces.ravel())[1:].argmax()
    cells = np.argwhere(inside)
    return cells[np.square(cells - cells.mean(axis=0)).sum(axis=1).argmin()]


def _grey_levels(volume: np.ndarray) -> np.ndarray:
    """A volume in [0, 255], float32; its few brightest and darkest cells are clipped."""
    cells = volume.astype(np.float32)
    # What is outside of a body has one value, which may lie between others after normalisation.
    surroundings = np.median(cells[np.ix_([0, -1], [0, -1], [0, -1])])
    outside = cells == surroundings
    if outside.mean() < MIN_OUTSIDE:
        outside[:] = False
    counted = cells[~outside]
    if not len(counted):
        return np.zeros_like(cells)
    low, high = np.quantile(counted, [CLIPPED, 1 - CLIPPED])
    cells = ((cells - low) * (255 / max(high - low, 1e-12))).clip(0, 255)
    cells[outside] = 0
    return cells


def _mm_per_pixel(volume: np.ndarray, affine: np.ndarray, side: int) -> float:
    return float(max(np.array(volume.shape) * spacing_of(affine)) / side)


def _cut(
    grey: np.ndarray,
    outlines: Sequence[Outline],
    ignored: np.ndarray,
    *,
    affine: np.ndarray,
    centre_mm: np.ndarray,
    side: int,
) -> list[Plane]:
    """Cut the planes, upright and in square pixels."""
    source = orientation_of(affine)
    upright = reoriented_affine(affine, grey.shape, UPRIGHT)
    shape = np.array(reorient(grey, source, UPRIGHT).shape)
    sizes_px = shape * spacing_of(upright) / _mm_per_pixel(grey, affine, side)
    inverse = np.linalg.inv(upright)
    cell = (inverse[:3, :3] @ centre_mm + inverse[:3, 3]).round().astype(int).clip(0, shape - 1)

    def cut(array: np.ndarray, view: int, smooth: bool = False) -> np.ndarray:
        _, across, columns, rows = VIEWS[view]
        plane = np.take(reorient(array, source, UPRIGHT), cell[across], axis=across)
        size = [max(1, round(sizes_px[axis])) for axis in (columns, rows)]
        return _resize(plane.T[::-1], size, smooth=smooth)

    planes = []
    for view, (name, across, columns, rows) in enumerate(VIEWS):
        picture = np.repeat(cut(grey, view, smooth=True)[..., None], 3, axis=2)
        picture[hatched(cut(ignored, view) > 0)] = LIGHT
        for outline in outlines:
            edge = _edge(cut(outline.inside, view) > 0, max(1, side // 150))
            picture[edge] = outline.color
        place = f"{name}, {'xyz'[across]} = {round(float(centre_mm[across]))} mm"
        planes.append(Plane(place, picture.round().astype(np.uint8), columns, rows))
    return planes


def _resize(plane: np.ndarray, size: Sequence[int], *, smooth: bool) -> np.ndarray:
    from PIL import Image

    way = Image.Resampling.BICUBIC if smooth else Image.Resampling.NEAREST
    image = Image.fromarray(np.ascontiguousarray(plane, dtype=np.float32))
    return np.asarray(image.resize((size[0], size[1]), way)).clip(0, 255)


def _edge(inside: np.ndarray, width: int) -> np.ndarray:
    """The pixels of a region, bool `(H, W)`, that are at most so far from others."""
    kept = inside
    for _ in range(width):
        padded = np.pad(kept, 1)
        kept = kept & padded[2:, 1:-1] & padded[:-2, 1:-1] & padded[1:-1, 2:] & padded[1:-1, :-2]
    return inside & ~kept


def _sheet(
    planes: Sequence[Plane], outlines: Sequence[Outline], *, mm_per_pixel: float, title: str
) -> np.ndarray:
    """The planes beside one another on black, with letters, a scale and a legend."""
    from PIL import Image, ImageDraw

    heights, widths = zip(*(one.picture.shape[:2] for one in planes), strict=True)
    size = max(11, round(max(*heights, *widths) / 26))
    edge, line = round(1.5 * size), round(1.6 * size)  # room for a letter, and for a line
    width = sum(widths) + (3 * len(planes) - 1) * edge
    legend = sorted((one for one in outlines if one.name), key=lambda one: one.label)[:MAX_NAMED]
    rows = _legend_rows(legend, width, size)
    top = edge + line + (2 * size if title else 0)
    bottom = top + max(heights) + edge + size // 2
    sheet = Image.new("RGB", (width, bottom + line * (1 + len(rows))))
    draw, small = ImageDraw.Draw(sheet), font(size, bold=False)
    if title:
        draw.text((edge, size // 2), one_line(title), fill=WHITE, font=font(size), anchor="lt")
    left = edge
    for plane in planes:
        rows_px, columns_px = plane.picture.shape[:2]
        y = top + (max(heights) - rows_px) // 2
        sheet.paste(Image.fromarray(plane.picture), (left, y))
        middle = left + columns_px / 2
        draw.text((middle, top - line - edge / 2), plane.name, fill=FAINT, font=small, anchor="mt")
        _write_sides(draw, plane, (left, y), edge, size)
        left += columns_px + 3 * edge
    _draw_scale(draw, (edge, bottom), size, widths[-1], mm_per_pixel)
    draw.text((width - edge, bottom + size), CONVENTION, fill=FAINT, font=small, anchor="rs")
    for number, row in enumerate(rows, start=1):
        x, y = edge, bottom + number * line
        for one in row:
            draw.rectangle((x, y + size // 6, x + size - 1, y + size - 1), fill=one.color)
            draw.text((x + 1.4 * size, y + size), one.name, fill=WHITE, font=small, anchor="ls")
            x += _entry_width(one.name, size)
    return np.asarray(sheet)


def _write_sides(
    draw: "ImageDraw", plane: Plane, at: tuple[int, int], edge: int, size: int
) -> None:
    """Write what lies at each side of a plane, whose left upper corner is given."""
    (x, y), (height, width) = at, plane.picture.shape[:2]
    left, right = SIDES[plane.columns]
    below, above = SIDES[plane.rows]
    for letter, place in (
        (left, (x - edge / 2, y + height / 2)),
        (right, (x + width + edge / 2, y + height / 2)),
        (below, (x + width / 2, y + height + edge / 2)),
        (above, (x + width / 2, y - edge / 2)),
    ):
        draw.text(place, letter, fill=WHITE, font=font(size), anchor="mm")


def _draw_scale(
    draw: "ImageDraw", at: tuple[int, int], size: int, widest: int, mm_per_pixel: float
) -> None:
    """Draw a bar of a round number of millimetres, with its length in words."""
    longest = MAX_SCALE_SHARE * widest * mm_per_pixel
    power = 10.0 ** math.floor(math.log10(longest))
    length = next(part * power for part in (5, 2, 1) if part * power <= longest * (1 + 1e-9))
    x, y = at[0], at[1] + round(0.55 * size)
    end = x + max(1, round(length / mm_per_pixel)) - 1
    draw.rectangle((x, y, end, y + max(1, size // 5)), fill=WHITE)
    text = f"{length:g} mm"
    where = (end + size // 2, at[1] + size)
    draw.text(where, text, fill=WHITE, font=font(size, bold=False), anchor="ls")


def _entry_width(name: str, size: int) -> int:
    return round(2.6 * size + font(size, bold=False).getlength(name))


def _legend_rows(legend: Sequence[Outline], width: int, size: int) -> list[list[Outline]]:
    """The entries of a legend in rows that fit a width."""
    rows: list[list[Outline]] = []
    free = 0.0
    for one in legend:
        needed = _entry_width(one.name, size)
        if needed > free:
            rows.append([])
            free = width - 2 * size
        rows[-1].append(one)
        free -= needed
    return rows
