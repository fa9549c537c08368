"""Normals of surfaces whose normals are known."""

import numpy as np
import pytest
from helpers.tiny_depth import plane_depth, unit

from vision.ops.camera import pixel_rays
from vision.ops.depth_normals import normals_from_depth

SIZE, CAMERA = (60, 80), np.array([90.0, 85.0, 41.0, 28.0])


def degrees_between(found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Angle of each pair of unit vectors along the first axis."""
    return np.degrees(np.arccos(np.clip((found * wanted).sum(axis=0), -1, 1)))


@pytest.mark.parametrize("normal", [(0, 0, -1), (0.4, -0.3, -1), (-0.8, 0.1, -0.6), (0, -1, -0.3)])
@pytest.mark.parametrize("window", [3, 7, 12])
def test_a_plane(normal: tuple[float, ...], window: int) -> None:
    wanted = unit(normal)
    depth = plane_depth(wanted, 1.5, size=SIZE, camera=CAMERA)
    found = normals_from_depth(depth, CAMERA, window=window, max_slant=89.99)
    known = (found != 0).any(axis=0)
    # Up to the border, where half of the window is outside.
    np.testing.assert_array_equal(known, depth > 0)
    assert found.dtype == np.float32
    assert degrees_between(found[:, known], wanted[:, None]).max() < 0.1


def sphere(size: tuple[int, int], camera: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Depth of a sphere of 1 m at 3 m, 0 beside it, and its normals."""
    x, y = pixel_rays(size, camera)
    rays = np.stack(np.broadcast_arrays(x, y[:, None], np.ones(size)))
    centre = np.array([0.1, -0.05, 3.0])
    a, b, c = (rays**2).sum(axis=0), np.tensordot(centre, rays, 1), centre @ centre - 1
    inside = b * b - a * c
    depth = np.where(inside > 0, (b - np.sqrt(np.maximum(inside, 0))) / a, 0)
    return depth, rays * depth - centre[:, None, None]


def test_a_sphere() -> None:
    camera = 3 * CAMERA
    depth, normals = sphere((180, 240), camera)
    found = normals_from_depth(depth, camera, window=5)
    slanted = (found * (normals / np.linalg.norm(normals, axis=0))).sum(axis=0)
    angles = np.degrees(np.arccos(np.clip(slanted, -1, 1)))
    # In a window of five pixels the surface is nearly flat, but for the rim.
    for degrees, worst, median in ((40, 0.15, 0.03), (60, 3, 0.1)):
        part = (depth > 0) & (normals[2] < -np.cos(np.radians(degrees)))
        assert part.sum() > 10_000
        assert angles[part].max() < worst
        assert np.median(angles[part]) < median


def test_a_plane_is_not_bent_by_its_neighbour() -> None:
    near = plane_depth(unit([0.5, 0, -1]), 1, size=SIZE, camera=CAMERA)
    far = plane_depth(unit([-0.2, 0.3, -1]), 3, size=SIZE, camera=CAMERA)
    left = np.arange(SIZE[1]) < 40
    found = normals_from_depth(np.where(left, near, far), CAMERA)
    for side, normal in ((left, unit([0.5, 0, -1])), (~left, unit([-0.2, 0.3, -1]))):
        assert degrees_between(found[:, :, side], normal[:, None, None]).max() < 0.1
    bent = normals_from_depth(np.where(left, near, far), CAMERA, max_slant=89.99)
    assert degrees_between(bent[:, :, 39], unit([0.5, 0, -1])[:, None]).min() > 10


def test_where_there_is_too_little() -> None:
    depth = plane_depth(unit([0, 0, -1]), 1, size=SIZE, camera=CAMERA)
    lonely = np.zeros(SIZE)
    lonely[30, 10:40] = depth[30, 10:40]  # a line says nothing about the other direction
    lonely[5:17, 60:72] = depth[5:17, 60:72]
    lonely[10, 65] = 0
    found = normals_from_depth(lonely, CAMERA)
    assert not found[:, 30].any()
    assert not found[:, 10, 65].any()
    np.testing.assert_allclose(found[:, 9, 65], [0, 0, -1], atol=1e-3)
    assert not normals_from_depth(np.zeros((4, 4)), CAMERA).any()


def test_noise_of_inverse_depth_bends_to_no_side() -> None:
    generator, wanted = np.random.default_rng(0), unit([0.4, -0.3, -1])
    depth = plane_depth(wanted, 1.5, size=SIZE, camera=CAMERA)
    noisy = 1 / (1 / depth + generator.normal(0, 2e-3, SIZE))
    found = normals_from_depth(noisy, CAMERA, window=9)[:, 4:-4, 4:-4].reshape(3, -1)
    assert degrees_between(unit(found.mean(axis=1))[:, None], wanted[:, None])[0] < 0.3
