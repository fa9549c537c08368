"""How an input lies in its image: pixels, places, boxes, the camera and boxes in space as one."""

import numpy as np
import pytest
import torch
from helpers.pictures import texture
from helpers.properties import examples
from helpers.tiny_kitti import P2, SIZE
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from vision.data.transforms.boxes3d_views import ImageView
from vision.ops.box_projection import project_boxes, project_points
from vision.ops.boxes3d import box_corners

shares = st.floats(-0.1, 0.1)


@given(
    flip=st.booleans(),
    crop_scale=st.floats(0.9, 1.1),
    shift=st.tuples(shares, shares),
    size=st.sampled_from([(384, 1280), (32, 96)]),
    place=st.tuples(st.floats(-8, 8), st.floats(-1, 2), st.floats(5, 60)),
    yaw=st.floats(-7, 7),
)
@examples(60)
def test_the_camera_follows_the_pixels(
    flip: bool,
    crop_scale: float,
    shift: tuple[float, float],
    size: tuple[int, int],
    place: tuple[float, float, float],
    yaw: float,
) -> None:
    view = ImageView((375, 1242), size, crop_scale=crop_scale, shift=shift, flip=flip)
    projection = P2 * [[10], [10], [1]]
    box = np.array([[*place, 3.9, 1.5, 1.6, yaw]])
    moved = view.boxes3d(box)
    corners, cameras = [], [projection, view.camera(projection)]
    rectangles = []
    for boxes, camera in zip((box, moved), cameras, strict=True):
        wide = torch.from_numpy(boxes), torch.from_numpy(camera)
        corners.append(project_points(box_corners(wide[0]), wide[1])[0].numpy()[0])
        rectangles.append(project_boxes(*wide)[0].numpy())
    expected = view.points(corners[0])
    # A mirrored box has its corners in another order.
    order = [np.lexsort(found.round(4).T) for found in (expected, corners[1])]
    np.testing.assert_allclose(corners[1][order[1]], expected[order[0]], atol=1e-3)
    np.testing.assert_allclose(rectangles[1], view.boxes(rectangles[0]), atol=1e-3)
    assert cameras[1][0, 0] == pytest.approx(cameras[1][1, 1])
    assert cameras[1][0, 0] > 0
    assert (moved[:, 1:6] == box[:, 1:6]).all()


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize(("crop_scale", "shift"), [(1.0, (0, 0)), (1.04, (0.03, -0.08))])
def test_pixels_go_where_places_go(
    flip: bool, crop_scale: float, shift: tuple[float, float]
) -> None:
    """The colours of an image say the places of its pixels."""
    height, width = 60, 110
    rows, columns = np.mgrid[:height, :width]
    image = np.stack([2 * columns, 4 * rows, np.full_like(rows, 99)]).astype(np.uint8)
    view = ImageView((height, width), (80, 160), crop_scale=crop_scale, shift=shift, flip=flip)
    drawn = view.draw(torch.from_numpy(image)).numpy().astype(float)
    known = drawn[2] == 99
    assert (drawn[2][~known] == 0).all()
    # Corners of the image, or of the input where it shows less.
    corners = view.points(np.array([[0.0, 0], [width, height]]))
    low, high = corners.min(axis=0).clip(0), corners.max(axis=0).clip(max=[160, 80])
    assert np.abs(known.sum() - (high - low).prod()) < 2 * sum(high - low)
    middles = np.stack([drawn[0] / 2, drawn[1] / 4], axis=-1) + 0.5
    there = view.points(middles)
    wanted = np.stack(np.meshgrid(np.arange(160), np.arange(80)), axis=-1) + 0.5
    inner = known & (middles > 1.5).all(axis=-1) & (middles < [width - 1.5, height - 1.5]).all(-1)
    assert np.abs(there - wanted)[inner].max() < 0.9 * view.scale
    assert np.abs((there - wanted)[inner].mean(axis=0)).max() < 0.4


def test_the_whole_image_has_the_pixels_of_published_code() -> None:
    """It warps with an affine map and bilinear interpolation; the border may differ."""
    pixels = texture(*SIZE, seed=1)
    view = ImageView(SIZE, (32, 160))
    drawn = view.draw(torch.from_numpy(pixels).permute(2, 0, 1)).permute(1, 2, 0).numpy()
    inverse = np.linalg.inv(view.matrix)
    warped = Image.fromarray(pixels).transform(
        (160, 32), Image.Transform.AFFINE, inverse[:2].flatten(), Image.Resampling.BILINEAR
    )
    apart = np.abs(drawn.astype(int) - np.asarray(warped).astype(int))
    assert apart.max() <= 1
    # 1242 x 375 pixels become 1280 x 386.5, of which 384 rows are kept.
    official = ImageView((375, 1242), (384, 1280))
    assert official.points(np.array([[0, 0], [1242, 375]])) == pytest.approx(
        np.array([[0, -1.2367], [1280, 385.2367]]), abs=1e-4
    )


def test_what_an_image_does_not_cover_is_black() -> None:
    white = torch.full((3, 20, 40), 255, dtype=torch.uint8)
    drawn = ImageView((20, 40), (40, 40)).draw(white)
    assert (drawn[:, 10:30] == 255).all()
    assert (drawn[:, :10] == 0).all()
    assert (drawn[:, 30:] == 0).all()
    assert not ImageView((20, 40), (40, 40), shift=(0, 3)).draw(white).any()
