"""Planes of volumes: upright from any orientation, in millimetres, with outlines and a scale."""

import numpy as np
import pytest
import torch
from torch import Tensor

from vision.contracts.volumes import IGNORED
from vision.draw.figure import class_color
from vision.draw.pixels import LIGHT
from vision.draw.volumes import centre_of, draw_pair, draw_planes, outlines_of
from vision.errors import ConfigError
from vision.ops.volume_axes import reorient, reoriented_affine

SHAPE = (20, 24, 16)
# Cells of 2 x 1.5 x 3 mm, in RAS: a field of 40 x 36 x 48 mm.
AFFINE = np.diag([2.0, 1.5, 3.0, 1.0])
SIDE = 96  # two pixels a millimetre
WHITE = (255, 255, 255)


def scene() -> tuple[np.ndarray, np.ndarray]:
    """A dark volume with a box to the left, at the back and above, and its mask."""
    volume = np.full(SHAPE, 10, np.float32)
    volume[0, 0, 0] = 0
    mask = np.zeros(SHAPE, np.uint8)
    mask[2:6, 3:9, 10:14] = 1
    volume[mask == 1] = 80
    volume[-1, -1, -1] = 100
    return volume, mask


def box_of(picture: Tensor, color: tuple[int, int, int], columns: slice) -> list[int]:
    """First and last row and column of a colour in a part of a picture."""
    pixels = picture[:, :, columns].permute(1, 2, 0).numpy()
    rows, found = np.nonzero((pixels == color).all(axis=2))
    return [int(part) for part in (rows.min(), rows.max(), found.min(), found.max())]


def parts(picture: Tensor) -> list[slice]:
    """Columns of the three planes with the letters beside them; size and edge as they are drawn."""
    edge = round(1.5 * 11)
    places, left = [], 0
    for width in (72, 80, 80):  # columns of the sagittal, coronal and axial plane
        places.append(slice(left + edge, left + edge + width))
        left += width + 3 * edge
    assert left - edge == picture.shape[2]
    return places


def test_sides_and_sizes_are_those_of_the_patient() -> None:
    volume, mask = scene()
    picture = draw_planes(volume, mask, AFFINE, side=SIDE)
    assert picture.dtype == torch.uint8
    color = class_color(1)
    # Of the box: 8 mm from the left, 9 mm from the back, 12 mm from above, in pixels of 1/2 mm.
    left, back, above = (2 * 4, 16), (3 * 3, 18), (3 * 4, 24)
    sagittal, coronal, axial = (box_of(picture, color, part) for part in parts(picture))
    top = round(1.5 * 11) + round(1.6 * 11)
    low = top + (96 - 72) // 2  # the axial plane is lower than the others: centred
    assert sagittal == [top + 12, top + 12 + above[1] - 1, back[0], back[0] + back[1] - 1]
    assert coronal == [top + 12, top + 12 + above[1] - 1, left[0], left[0] + left[1] - 1]
    end = low + 72 - back[0] - 1
    assert axial == [end - back[1] + 1, end, left[0], left[0] + left[1] - 1]


@pytest.mark.parametrize("orientation", ["LPS", "ASR", "ILP"])
def test_the_picture_does_not_depend_on_how_a_file_stores_its_axes(orientation: str) -> None:
    volume, mask = scene()
    expected = draw_planes(volume, mask, AFFINE, side=SIDE, names=["background", "box"])
    turned = draw_planes(
        np.ascontiguousarray(reorient(volume, "RAS", orientation)),
        np.ascontiguousarray(reorient(mask, "RAS", orientation)),
        reoriented_affine(AFFINE, SHAPE, orientation),
        side=SIDE,
        names=["background", "box"],
    )
    assert torch.equal(turned, expected)


def test_the_scale_has_its_length() -> None:
    volume, mask = scene()
    for side, length in ((96, 10), (288, 10)):
        picture = draw_planes(volume, mask, AFFINE, side=side)
        # The longest white line of the picture is the scale: 10 mm, of 48 mm in `side` pixels.
        white = (picture.permute(1, 2, 0).numpy() == WHITE).all(axis=2)
        longest = max(
            len(run) for row in white for run in "".join("x" if w else " " for w in row).split()
        )
        assert longest == pytest.approx(length * side / 48, abs=1)


def test_planes_go_through_the_middle_of_the_largest_piece() -> None:
    _, mask = scene()
    mask[15:17, 20:22, 2:4] = 2
    place = centre_of(mask, AFFINE)
    cell = np.linalg.solve(AFFINE, [*place, 1])[:3]
    assert mask[tuple(cell.astype(int))] == 1
    np.testing.assert_allclose(cell, [3.5, 5.5, 11.5], atol=0.51)
    # A hollow region has no cell in its middle: the nearest one is taken.
    hollow = mask.copy()
    hollow[3:5, 4:8, 11:13] = 0
    inside = np.linalg.solve(AFFINE, [*centre_of(hollow, AFFINE), 1])[:3]
    assert hollow[tuple(inside.round().astype(int))] == 1
    nothing = np.full(SHAPE, IGNORED, np.uint8)
    np.testing.assert_allclose(centre_of(nothing, AFFINE), [18, 16.5, 21])
    np.testing.assert_allclose(centre_of(None, AFFINE, SHAPE), [18, 16.5, 21])


def test_regions_are_outlined_the_smaller_ones_above() -> None:
    volume, mask = scene()
    core = mask.copy()
    core[:, 6:] = 0
    regions = np.stack([core, np.zeros_like(mask), mask]).astype(bool)
    found = outlines_of(regions, ["TC", "ET", "WT"])
    assert [(one.name, one.label) for one in found] == [("WT", 2), ("TC", 0)]
    picture = draw_planes(volume, regions, AFFINE, side=SIDE)
    part = parts(picture)[0]
    # Both begin at the back; where they share an edge the smaller one is seen.
    whole, core_box = (box_of(picture, class_color(label), part) for label in (3, 1))
    assert core_box[2:] == [9, 9 + 9 - 1]
    assert whole[3] == 9 + 18 - 1
    colors = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]], np.uint8)
    assert [one.color for one in outlines_of(regions, palette=colors)] == [(7, 8, 9), (1, 2, 3)]


def test_ignored_cells_have_stripes() -> None:
    volume, mask = scene()
    plain = draw_planes(volume, mask, AFFINE, side=SIDE)
    mask[10:, :, :] = IGNORED
    striped = draw_planes(volume, mask, AFFINE, side=SIDE)
    for part, expected in zip(parts(plain), (False, True, True), strict=True):
        new = (striped[:, :, part] != plain[:, :, part]).any(dim=0).numpy()
        assert new.any() == expected
        assert (striped[:, :, part].permute(1, 2, 0).numpy()[new] == LIGHT).all()
        # On the right side only.
        assert not new[:, :40].any()


def test_truth_and_prediction_have_the_same_planes() -> None:
    volume, mask = scene()
    found = np.zeros_like(mask)
    found[2:6, 3:12, 10:14] = 1
    picture = draw_pair(volume, mask, found, AFFINE, side=SIDE)
    above, below = picture.chunk(2, dim=1)
    part = parts(picture)[0]
    assert box_of(above, class_color(1), part)[2:] == [9, 26]
    assert box_of(below, class_color(1), part)[2:] == [9, 35]
    # Without truth they go through what was found.
    blank = draw_pair(volume, np.zeros_like(mask), mask, AFFINE, side=SIDE)
    assert box_of(blank.chunk(2, dim=1)[1], class_color(1), parts(blank)[0])[2:] == [9, 26]


def test_many_names_take_several_lines_and_a_constant_volume_is_drawn() -> None:
    mask = np.zeros(SHAPE, np.uint8)
    mask[:, :, 0] = np.arange(20)[:, None] % 13
    names = ["background", *(f"a long name of a class {label}" for label in range(12))]
    plain = draw_planes(np.ones(SHAPE), mask, AFFINE, side=SIDE)
    named = draw_planes(np.ones(SHAPE), mask, AFFINE, side=SIDE, names=names, title="a title")
    assert named.shape[1] >= plain.shape[1] + 6 * 17
    assert named.shape[2] == plain.shape[2]


def test_the_first_modality_is_drawn() -> None:
    volume, mask = scene()
    both = np.stack([volume, np.zeros(SHAPE, np.float32)])
    assert torch.equal(
        draw_planes(both, mask, AFFINE, side=SIDE), draw_planes(volume, mask, AFFINE, side=SIDE)
    )


def test_other_shapes_are_refused() -> None:
    volume, mask = scene()
    with pytest.raises(ConfigError, match=r"cannot be drawn: give \(D, H, W\)"):
        draw_planes(volume[0], None, AFFINE)
    with pytest.raises(ConfigError, match="a mask of the same cells"):
        draw_planes(volume, mask[1:], AFFINE)
