"""Labels, pixels and scans of one street against each other."""

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
import torch
from helpers.streets import make_street, make_thing

from vision.annotations.kitti import CLASSES, DONT_CARE, KittiObjects, parse_objects, write_objects
from vision.data.synthetic.street_labels import label
from vision.data.synthetic.street_layout import compose_street
from vision.data.synthetic.street_lidar import BEAMS_DEG, NOISE_M, scan
from vision.data.synthetic.street_render import View, photograph, view
from vision.data.synthetic.street_world import Street
from vision.ops.box_projection import project_boxes, project_points
from vision.ops.boxes3d import box_axes, from_kitti, observation_angle


class Seen(NamedTuple):
    street: Street
    view: View
    objects: KittiObjects  # as they are read from the text
    boxes: torch.Tensor  # (N, 7)
    points: np.ndarray  # (P, 4) of the scan
    rectified: torch.Tensor  # (P, 3) in the camera's frame


@pytest.fixture(scope="module")
def streets() -> list[Seen]:
    found = []
    for place in range(5):
        rng = np.random.default_rng([11, place])
        street = compose_street(rng, height=96, width=312, held_out=False)
        seen = view(street)
        text = write_objects(label(street, seen), decimals=2)
        objects = parse_objects(text, "a street", scored=False)
        rows = np.column_stack([objects.sizes, objects.locations, objects.rotation])
        points = scan(street, rng)
        calibration = dict(
            line.split(": ") for line in street.rig.calibration().splitlines() if line
        )
        turn = np.array(calibration["R0_rect"].split(), float).reshape(3, 3)
        move = turn @ np.array(calibration["Tr_velo_to_cam"].split(), float).reshape(3, 4)
        rectified = points[:, :3].astype(np.float64) @ move[:, :3].T + move[:, 3]
        boxes = from_kitti(torch.from_numpy(rows))
        found.append(Seen(street, seen, objects, boxes, points, torch.from_numpy(rectified)))
    return found


def labelled(seen: Seen) -> list[tuple[int, int]]:
    """The number in the label and in the street of each object that is annotated."""
    return [
        (i, j)
        for i in np.flatnonzero(seen.objects.classes != DONT_CARE)
        for j, one in enumerate(seen.view.things)
        if np.allclose(one.thing.bottom, seen.objects.locations[i])
    ]


def own(points: torch.Tensor, box: torch.Tensor) -> torch.Tensor:
    """Points `(P, 3)` in halves of the box's length, width and height from its middle."""
    return (points - box[:3]) @ box_axes(box) / box[[3, 5, 4]] * 2


def test_boxes_in_the_image_enclose_the_pixels(streets: list[Seen]) -> None:
    checked = 0
    for seen in streets:
        height, width = seen.view.depth.shape
        projection = torch.from_numpy(seen.street.rig.projection())
        rectangles, visible = project_boxes(seen.boxes, projection.expand(len(seen.boxes), 3, 4))
        pairs = labelled(seen)
        assert len(pairs) >= 2
        for i, j in pairs:
            assert visible[i]
            stored = seen.objects.boxes[i]
            expected = rectangles[i].numpy().clip(0, [width - 1, height - 1] * 2)
            np.testing.assert_allclose(stored, expected, atol=0.006)
            whole = np.prod(np.diff(rectangles[i].reshape(2, 2).numpy(), axis=0))
            inside = np.prod(stored[2:] - stored[:2])
            assert seen.objects.truncation[i] == pytest.approx(1 - inside / whole, abs=0.01)
            assert seen.objects.alpha[i] == pytest.approx(
                float(observation_angle(_bottom(seen, i))), abs=0.0051
            )
            rows, columns = np.nonzero(seen.view.things[j].mask)
            extent = np.array([columns.min(), rows.min(), columns.max(), rows.max()])
            signs = np.array([1, 1, -1, -1])
            gap = (extent - stored) * signs
            assert gap.min() > -0.01
            if seen.view.things[j].visible == 1:
                # The middles of the outermost pixels; one row is less than 1 from the edge, and a
                # corner of the box may be a pixel further.
                assert gap.max() < 2
                checked += 1
    assert checked >= 8


def _bottom(seen: Seen, i: int) -> torch.Tensor:
    return torch.from_numpy(
        np.array([*seen.objects.locations[i], 1, 1, 1, seen.objects.rotation[i]])
    )


def test_depths_of_pixels_are_on_their_boxes(streets: list[Seen]) -> None:
    for seen in streets:
        matrix = seen.street.rig.projection()
        for i, j in labelled(seen):
            rows, columns = np.nonzero(seen.view.things[j].mask)
            depth = seen.view.depth[rows, columns]  # from the left colour camera
            scaled = np.stack([columns * depth, rows * depth, depth])
            points = np.linalg.solve(matrix[:, :3], scaled - matrix[:, 3:]).T
            places = own(torch.from_numpy(points), seen.boxes[i]).abs()
            np.testing.assert_allclose(places.amax(dim=1).numpy(), 1, atol=1e-6)


def test_points_of_the_scan_are_on_boxes_or_on_what_is_behind(streets: list[Seen]) -> None:
    hit = 0
    for seen in streets:
        points, reflectance = seen.points[:, :3], seen.points[:, 3]
        assert seen.points.dtype == np.float32
        assert 4000 < len(points) < 64 * 450
        assert reflectance.min() >= 0
        assert reflectance.max() < 1
        distance = np.linalg.norm(points, axis=1)
        assert distance.max() < 80 + 5 * NOISE_M
        rise = np.degrees(np.arcsin(points[:, 2] / distance))
        assert np.abs(rise[:, None] - BEAMS_DEG).min(axis=1).max() < 0.05
        assert np.abs(np.degrees(np.arctan2(points[:, 1], points[:, 0]))).max() < 45
        free = torch.ones(len(points), dtype=torch.bool)
        for j, one in enumerate(seen.view.things):
            thing = one.thing
            numbers = torch.tensor(np.array([*thing.size[[1, 2, 0]], *thing.bottom, thing.yaw]))
            places = own(seen.rectified, from_kitti(numbers)).abs()
            half = torch.from_numpy(thing.half)
            near = ((places - 1) * half < 6 * NOISE_M).all(dim=1)
            # No point is deeper inside than the noise along a ray that grazes it.
            depth = ((1 - places[near]) * half).amin(dim=1)
            assert (depth < 6 * NOISE_M).float().mean() > 0.999, (j, depth.max())
            free &= ~near
            if one.mask.sum() > 60:
                assert near.sum() > 5
                hit += 1
        street = seen.street.places(seen.rectified[free].numpy())
        ground = np.abs(street[:, 2]) < 6 * NOISE_M
        fronts = [np.abs(street[:, 0] - side.distance) < 6 * NOISE_M for side in seen.street.houses]
        assert (ground | fronts[0] | fronts[1]).all()
        assert 0.3 < ground.mean() < 1
    assert hit >= 15


def test_the_scan_and_the_image_see_the_same_depths(streets: list[Seen]) -> None:
    for seen in streets:
        projection = torch.from_numpy(seen.street.rig.projection())
        places, depth = project_points(seen.rectified, projection)
        height, width = seen.view.depth.shape
        columns, rows = places.round().long().numpy().T
        inside = (depth.numpy() > 1) & (columns >= 0) & (columns < width)
        inside &= (rows >= 0) & (rows < height)
        gap = np.abs(seen.view.depth[rows[inside], columns[inside]] / depth.numpy()[inside] - 1)
        # The rest is at edges: the lidar is elsewhere, and depth changes within a pixel.
        assert inside.sum() > 2000
        assert np.median(gap) < 0.02
        assert (gap < 0.1).mean() > 0.9


def test_occlusion_and_truncation_of_a_street_by_hand() -> None:
    # Cars from behind, 1.6 m wide and 1.5 m high. One stands before about half of another, and
    # before all of a small one.
    up = -math.pi / 2
    near, far = make_thing(0.0, 20.0, up), make_thing(1.2, 30.0, up)
    beside = make_thing(-6.8, 12.0, up)
    hidden = make_thing(0.0, 34.0, up, size=(3.0, 1.2, 1.0))
    street = make_street(far, near, beside, hidden)
    rig = replace(street.rig, focal_px=150.0, center_px=(80.0, 20.0))
    street = replace(street, rig=rig)
    objects = label(street, view(street))
    names = [CLASSES[index] for index in objects.classes]
    # The far one is 8 pixels high, and so a region.
    assert names == ["Car", "Car", "DontCare"]
    assert objects.locations[:2, 2].tolist() == [12, 20]
    assert objects.occlusion.tolist() == [0, 0, -1]
    # Of the one beside, columns 80 + 150 * (-7.6 + 0.06) / 10 = -33 to 80 + 150 * (-5.94) / 14.
    left, right = 80 + 150 * (-7.5401) / 10.0027, 80 + 150 * (-5.9401) / 14.0027
    assert objects.truncation[0] == pytest.approx(-left / (right - left), abs=1e-3)
    assert objects.boxes[0, 0] == 0
    rig = replace(rig, focal_px=300.0, width=320, height=96, center_px=(160.0, 40.0))
    objects = label(replace(street, rig=rig), view(replace(street, rig=rig)))
    assert objects.locations[:, 2].tolist() == [12, 20, 30]
    # The nearer rear ends in column 160 + 300 * 0.86 / 18 = 174.3; the rear of the farther car is
    # from 160 + 300 * 0.46 / 28 = 164.9 to 182.1, so that somewhat less than half is visible below
    # the roof line of the nearer, and the box's own roof adds a row.
    assert objects.occlusion.tolist() == [0, 0, 2]
    # Moved by 0.2 m to the right, the columns are from 167.1 to 184.2: more than half is visible.
    moved = replace(street, rig=rig, things=(make_thing(1.4, 30.0, up), near, beside, hidden))
    assert label(moved, view(moved)).occlusion.tolist() == [0, 0, 1]


def test_the_image_shows_what_the_labels_say(streets: list[Seen]) -> None:
    seen = streets[0]
    image = photograph(seen.street, np.random.default_rng(0)).astype(float)
    assert image.shape == (96, 312, 3)
    bare = replace(seen.street, things=())
    changed = np.abs(image - photograph(bare, np.random.default_rng(0))).max(axis=-1)
    owned = np.any([one.mask for one in seen.view.things], axis=0)
    # Without the boxes, the image differs where they are, and in their shadows alone.
    assert (changed[owned] > 3).mean() > 0.9
    assert (changed[:20] > 3).sum() <= owned[:20].sum() + 20
    same = np.isinf(seen.view.depth) & ~owned
    assert (changed[same] <= 1).mean() > 0.95
