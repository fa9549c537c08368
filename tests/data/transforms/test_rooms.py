"""Clouds become one point for each voxel, as a loop over a dictionary finds them."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from helpers.refusals import refuses

from vision.contracts.points import IGNORED
from vision.data.transforms.points import GREY
from vision.data.transforms.room_voxels import MAX_VOXELS, find_voxels, nearest_to_one
from vision.data.transforms.rooms import (
    Cloud,
    PointEvalTransform,
    PointTrainTransform,
    VoxelCloud,
)
from vision.data.transforms.rooms_options import PointAugment
from vision.errors import ConfigError, DataError

SIZE = 0.1
STILL = PointAugment(rotation=0, scale=(1.0, 1.0), jitter=0)


def cloud(seed: int = 0, count: int = 700) -> Cloud:
    """Points on a fine grid, so that many are equally far from the centre of a voxel."""
    rng = np.random.default_rng(seed)
    points = rng.integers(0, 40, (count, 3)) * 0.025 + [-3.0, 5.0, 1.0]
    normals = rng.normal(size=(count, 3))
    return Cloud(
        points,
        rng.integers(0, 3, (count, 3)).astype(np.uint8),
        (normals / np.linalg.norm(normals, axis=1, keepdims=True)).astype(np.float32),
        rng.choice([0, 1, 2, IGNORED], count),
    )


def by_dictionary(one: Cloud) -> dict[tuple[int, ...], tuple[float, ...]]:
    """The representative of each voxel: distance, x, y, z, r, g, b, in this order the smallest."""
    best: dict[tuple[int, ...], tuple[float, ...]] = {}
    assert one.colors is not None
    low = one.points.min(axis=0)
    for point, color in zip(one.points, one.colors.tolist(), strict=True):
        place = ((point - low) / SIZE).astype(np.float32)
        cell = tuple(math.floor(value) for value in place.tolist())
        away = sum((float(p) - c - 0.5) ** 2 for p, c in zip(place, cell, strict=True))
        rank = (away, *point.tolist(), *color)
        best[cell] = min(best.get(cell, rank), rank)
    return best


@pytest.mark.parametrize("seed", range(3))
def test_the_point_nearest_to_the_centre_stands_for_its_voxel(seed: int) -> None:
    one = cloud(seed)
    found = PointEvalTransform(voxel_size=SIZE).change(one)
    best = by_dictionary(one)
    cells = [tuple(cell) for cell in found.coords.floor().int().tolist()]
    assert cells == sorted(best)
    low = one.points.min(axis=0)
    for place, color, cell in zip(found.coords.tolist(), found.colors.tolist(), cells, strict=True):
        _, *rank = best[cell]
        np.testing.assert_allclose(np.array(place) * SIZE + low, rank[:3], atol=1e-6)
        assert color == rank[3:]
    assert found.voxel_of is not None
    # Every point has the voxel that it lies in, and keeps its own label.
    inside = ((one.points - low) / SIZE).astype(np.float32).astype(int)
    np.testing.assert_array_equal(np.array(cells)[found.voxel_of], inside)
    np.testing.assert_array_equal(found.label, one.label)


def test_the_order_of_the_points_changes_nothing() -> None:
    one, transform = cloud(), PointEvalTransform(voxel_size=SIZE)
    first = transform.change(one)
    order = np.random.default_rng(1).permutation(len(one.points))
    other = transform.change(one.take(order))
    for a, b in zip(first[:3], other[:3], strict=True):
        assert a is not None
        assert b is not None
        assert torch.equal(a, b)
    assert first.voxel_of is not None
    np.testing.assert_array_equal(first.voxel_of[order], other.voxel_of)


def test_a_cloud_without_colours_is_grey() -> None:
    found = PointEvalTransform(voxel_size=SIZE).change(Cloud(cloud().points))
    assert found.colors.unique().tolist() == [GREY]
    assert (found.normals, found.label) == (None, None)


def trained(one: Cloud, seed: int = 0, size: float = SIZE, **options: Any) -> VoxelCloud:
    augment = PointAugment(**{**vars(STILL), **options})
    torch.manual_seed(seed)
    return PointTrainTransform(augment, voxel_size=size).change(one)


def test_training_takes_any_point_of_each_voxel() -> None:
    one = cloud()
    assert one.label is not None
    whole = PointEvalTransform(voxel_size=SIZE).change(one)
    seen = set()
    rows = {
        tuple(np.float32((point - one.points.min(axis=0)) / SIZE).tolist()): set()
        for point in one.points
    }
    for point, label in zip(one.points, one.label.tolist(), strict=True):
        rows[tuple(np.float32((point - one.points.min(axis=0)) / SIZE).tolist())].add(label)
    for seed in range(40):
        found = trained(one, seed)
        assert torch.equal(found.coords.floor(), whole.coords.floor())
        assert found.label is not None
        assert found.voxel_of is None
        places = [tuple(place) for place in found.coords.tolist()]
        seen |= {*places}
        for place, label in zip(places, found.label.tolist(), strict=True):
            assert label in rows[place]
    assert seen == {*rows}
    assert torch.equal(trained(one, 7).coords, trained(one, 7).coords)


def test_moved_clouds_keep_their_distances() -> None:
    one = cloud(count=60)
    tiny = 1e-4  # every point has a voxel of its own
    _, first = np.unique(one.points, axis=0, return_index=True)
    one = one.take(first)
    found = trained(one, 3, tiny, rotation=180.0, scale=(1.5, 1.5), flip=(1.0, 0.5))
    colors = found.colors.tolist()
    assert len(colors) == len(one.points)

    def lengths(points: np.ndarray) -> np.ndarray:
        return np.sort(np.linalg.norm(points[:, None] - points, axis=-1), axis=None)

    np.testing.assert_allclose(
        lengths(found.coords.numpy() * tiny), 1.5 * lengths(one.points), atol=1e-3
    )
    # Heights only grow; normals turn with the points.
    heights = np.sort(found.coords[:, 2].numpy() * tiny)
    np.testing.assert_allclose(
        heights, np.sort(1.5 * (one.points[:, 2] - one.points[:, 2].min())), atol=1e-3
    )
    assert found.normals is not None
    assert one.normals is not None
    assert found.normals.norm(dim=1).numpy() == pytest.approx(1, abs=1e-5)
    assert np.sort(found.normals[:, 2].numpy()) == pytest.approx(np.sort(one.normals[:, 2]))


def test_jitter_is_small_and_colours_change_together() -> None:
    one = cloud(count=50)
    still, moved = (trained(one, 1, 1.0, jitter=step, jitter_limit=0.01) for step in (0, 0.05))
    assert moved.coords.shape == still.coords.shape
    flat = one._replace(colors=np.full((50, 3), 100, np.uint8))
    shifted = trained(flat, 2, color_shift=50.0, contrast=0.3).colors
    assert len(shifted.unique(dim=0)) == 1
    assert shifted[0].tolist() != [100, 100, 100]
    assert trained(one, drop_color=1.0).colors.unique().tolist() == [GREY]


def test_the_voxels_nearest_to_a_random_one_are_kept() -> None:
    one = cloud(count=3000)
    whole = trained(one, 5)
    part = trained(one, 5, max_voxels=100)
    assert part.coords.shape == (100, 3)
    assert part.coords.amin(dim=0).tolist() < [1.0, 1.0, 1.0]
    assert len(part.coords.floor().unique(dim=0)) == 100
    assert len(whole.coords) > 100
    torch.manual_seed(0)
    chosen = nearest_to_one(whole.coords.numpy(), 100)
    inside, outside = whole.coords[chosen].numpy(), np.delete(whole.coords.numpy(), chosen, axis=0)
    radius = [
        (
            np.linalg.norm(inside - middle, axis=1).max(),
            np.linalg.norm(outside - middle, axis=1).min(),
        )
        for middle in inside
    ]
    assert any(far <= near + 1e-6 for far, near in radius)


def test_too_many_voxels_are_refused_with_the_size_and_the_file() -> None:
    points = np.random.default_rng(0).uniform(0, 500, (MAX_VOXELS + 1000, 3))
    with refuses(DataError, "'a.ply'", "1,000,000", "0.04 metres", "data.voxel_size"):
        PointEvalTransform().change(Cloud(points), "a.ply")
    with refuses(DataError, "'a.ply'", "more voxels than can be numbered"):
        find_voxels(points[:9], 1e-6, "a.ply")
    with refuses(ConfigError, "voxel_size"):
        PointEvalTransform(voxel_size=0)


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"scale": (1.2, 0.8)}, "scale"),
        ({"rotation": 200}, "rotation"),
        ({"max_voxels": 0}, "max_voxels"),
        ({"jitter_limit": 0.0}, "jitter_limit=0"),
        ({"drop_color": 2}, "drop_color"),
    ],
)
def test_options_out_of_their_ranges(options: dict[str, Any], part: str) -> None:
    with refuses(ConfigError, part):
        PointAugment(**options)
