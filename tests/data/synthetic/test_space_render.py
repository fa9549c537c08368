"""What a camera sees of a room: every ground truth is judged by the others and by geometry."""

import math
from dataclasses import replace

import numpy as np
import pytest

from vision.data.synthetic.space_layout import compose_world
from vision.data.synthetic.space_render import (
    AMBIENT,
    CLASSES,
    FLOOR,
    WALL,
    View,
    photograph,
    view,
)
from vision.data.synthetic.space_world import World
from vision.data.synthetic.splits import load_glyphs

SHAPE = (72, 96)


@pytest.fixture(scope="module")
def worlds() -> list[World]:
    glyphs = load_glyphs("val")
    return [
        compose_world(
            np.random.default_rng([3, place]),
            glyphs,
            height=SHAPE[0],
            width=SHAPE[1],
            held_out=place % 2 == 1,
        )
        for place in range(12)
    ]


@pytest.fixture(scope="module")
def views(worlds: list[World]) -> list[View]:
    return [view(world) for world in worlds]


def back_project(world: World, depth: np.ndarray) -> np.ndarray:
    """Points `(H, W, 3)` in the camera's frame, from the depth and the intrinsics alone."""
    fx, fy, cx, cy = world.camera.intrinsics
    rows, columns = np.indices(depth.shape)
    depth = depth.astype(np.float64)
    return np.stack([(columns - cx) / fx * depth, (rows - cy) / fy * depth, depth], axis=-1)


def test_normals_are_those_of_the_surface_that_the_depth_describes(
    worlds: list[World], views: list[View]
) -> None:
    for world, seen in zip(worlds, views, strict=True):
        points = back_project(world, seen.depth)
        aside = points[1:-1, 2:] - points[1:-1, :-2]
        down = points[2:, 1:-1] - points[:-2, 1:-1]
        normals = np.cross(down, aside)
        normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
        own = seen.surfaces[1:-1, 1:-1]
        one_surface = (seen.surfaces[1:-1, 2:] == own) & (seen.surfaces[1:-1, :-2] == own)
        one_surface &= (seen.surfaces[2:, 1:-1] == own) & (seen.surfaces[:-2, 1:-1] == own)
        assert one_surface.mean() > 0.7
        expected = seen.normals[1:-1, 1:-1][one_surface]
        np.testing.assert_allclose(normals[one_surface], expected, atol=2e-3)


def test_normals_are_unit_vectors_towards_the_camera(
    worlds: list[World], views: list[View]
) -> None:
    for world, seen in zip(worlds, views, strict=True):
        np.testing.assert_allclose(np.linalg.norm(seen.normals, axis=-1), 1, atol=1e-6)
        assert ((seen.normals * back_project(world, seen.depth)).sum(axis=-1) < 0).all()


def test_the_floor_lies_level_below_the_camera_and_all_else_above_it(
    worlds: list[World], views: list[View]
) -> None:
    for world, seen in zip(worlds, views, strict=True):
        points, pitch = back_project(world, seen.depth), world.camera.pitch_rad
        below = points[..., 1] * math.cos(pitch) + points[..., 2] * math.sin(pitch)
        floor = seen.labels == FLOOR
        np.testing.assert_allclose(below[floor], world.camera.elevation_m, atol=1e-5)
        assert (below[~floor] < world.camera.elevation_m + 1e-5).all()
        assert seen.depth.min() > 0.7
        assert seen.depth.max() < 10


def test_stickers_lie_in_their_planes_and_within_their_edges(
    worlds: list[World], views: list[View]
) -> None:
    for world, seen in zip(worlds, views, strict=True):
        points = back_project(world, seen.depth)
        for item, found in zip(world.standees, seen.objects, strict=True):
            foot = points[found.mask] - item.plane.origin
            np.testing.assert_allclose(foot @ item.plane.normal, 0, atol=1e-5)
            up, aside = foot @ item.plane.along, foot @ item.plane.across
            assert -1e-5 < up.min() < up.max() < item.height_m + 1e-5
            assert np.abs(aside).max() < item.width_m / 2 + 1e-5
            # Upright on the floor, facing the camera.
            floor = world.walls[0].plane
            assert abs(item.plane.normal @ floor.normal) < 1e-12
            assert abs((item.plane.origin - floor.origin) @ floor.normal) < 1e-12


def test_boxes_are_those_of_the_projected_corners(worlds: list[World], views: list[View]) -> None:
    compared = 0
    for world, seen in zip(worlds, views, strict=True):
        for item, found in zip(world.standees, seen.objects, strict=True):
            places = world.camera.project(item.corners) + 0.5  # the first pixel is [0, 1]
            box = found.box
            assert (box[:2] >= places.min(axis=0) - 1).all()
            assert (box[2:] <= places.max(axis=0) + 1).all()
            if found.visible == 1:
                # The picture fills its rectangle, whose edges are slanted in the image.
                (bottom, top) = (np.sort(places[pair, 1]) for pair in (slice(2), slice(2, 4)))
                assert bottom[0] - 1 <= box[3] <= bottom[1] + 1
                assert top[0] - 1 <= box[1] <= top[1] + 1
                compared += 1
    assert compared > 5


def test_masks_labels_and_segments_agree(worlds: list[World], views: list[View]) -> None:
    hidden = 0
    for world, seen in zip(worlds, views, strict=True):
        ids, classes = seen.segments
        # No pixel is of two objects, and none without a segment.
        assert ids.min() == 1
        assert ids.max() == len(classes)
        assert (np.array(classes)[ids - 1] == seen.labels).all()
        background = np.isin(seen.labels, (FLOOR, WALL))
        masks = [item.mask for item in seen.objects]
        assert (np.sum([background, *masks], axis=0) == 1).all()
        things = [place for place, label in enumerate(classes) if label < FLOOR]
        for place, item, standee in zip(things, seen.objects, world.standees, strict=True):
            assert np.array_equal(ids == place + 1, item.mask)
            assert CLASSES[item.label] == CLASSES[standee.label]
            # It is hidden where something nearer stands, and nowhere else.
            covered = item.whole & ~item.mask
            own = standee.plane.depth(world.camera.rays())
            assert (seen.depth[covered] < own[covered]).all()
            assert not (item.mask & ~item.whole).any()
            hidden += int(covered.sum())
    assert hidden > 0


def test_the_foot_of_the_back_wall_is_where_it_is_projected(
    worlds: list[World], views: list[View]
) -> None:
    compared = 0
    for world, seen in zip(worlds, views, strict=True):
        floor, back = world.walls[0].plane, world.walls[1].plane
        # Points of the line in which both planes meet: the wall's origin is on the floor.
        line = np.cross(floor.normal, back.normal)
        points = back.origin + np.linspace(-1, 1, 41)[:, None] * line / np.linalg.norm(line)
        for column, row in world.camera.project(points):
            if 0 <= round(column) < SHAPE[1] and 2 <= row < SHAPE[0] - 2:
                above, below = (
                    seen.surfaces[math.floor(row) + step, round(column)] for step in (-1, 2)
                )
                if above < 2 and below < 2:  # neither a side wall nor a sticker
                    assert (above, below) == (1, 0)
                    compared += 1
    assert compared > 50


def test_the_image_shows_the_same_surfaces_under_the_light(
    worlds: list[World], views: list[View]
) -> None:
    for world, seen in zip(worlds, views, strict=True):
        plain = replace(
            world,
            walls=tuple(
                replace(wall, surface=replace(wall.surface, shift=np.zeros(3, np.float32)))
                for wall in world.walls
            ),
        )
        image = photograph(plain, np.random.default_rng(0)).astype(float)
        for number, wall in enumerate(plain.walls):
            inner = seen.surfaces == number
            for axis in (0, 1):  # pixels at an edge show both sides
                for shift in (-1, 1):
                    inner &= np.roll(seen.surfaces == number, shift, axis=axis)
            inner[[0, -1]] = inner[:, [0, -1]] = False
            if inner.sum() > 50:
                lit = max(float(seen.normals[inner][0] @ world.light), 0)
                expected = wall.surface.color * (AMBIENT + (1 - AMBIENT) * lit)
                np.testing.assert_allclose(image[inner].mean(axis=0), expected, atol=2)
        for standee, found in zip(world.standees, seen.objects, strict=True):
            # Its ground is darker than any wall, its stroke brighter.
            light = image[found.mask].max(axis=1)
            assert np.percentile(light, 10) < 90 < standee.stroke.max() * AMBIENT
            assert light.max() > 100


def test_an_image_is_a_function_of_the_world_and_the_generator(worlds: list[World]) -> None:
    first, again, other = (photograph(worlds[0], np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert first.shape == (*SHAPE, 3)
    # Another generator has another grain, of the same scene.
    assert 0 < np.abs(first.astype(int) - other.astype(int)).max() < 50
