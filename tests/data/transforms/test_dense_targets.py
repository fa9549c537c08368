"""Depth, normals and camera of a plane stay those of one plane, whatever happens to its image."""

import numpy as np
import pytest
from helpers.properties import examples
from helpers.tiny_depth import plane_depth, unit
from hypothesis import given
from hypothesis import strategies as st

from vision.data.transforms.crops import Box
from vision.data.transforms.dense_targets import DenseTargets, Rotation
from vision.data.transforms.geometry import Geometry
from vision.ops.camera import back_project, project

SIZE = (90, 120)
normals = st.tuples(*[st.floats(-0.6, 0.6)] * 2).map(lambda xy: unit([*xy, -1]))
cameras = st.tuples(
    st.floats(80, 160), st.floats(0.9, 1.1), st.floats(40, 80), st.floats(30, 60)
).map(lambda c: np.array([c[0], c[0] * c[1], c[2], c[3]]))


def targets_of(normal: np.ndarray, camera: np.ndarray) -> DenseTargets:
    depth = plane_depth(normal, 2.0, size=SIZE, camera=camera)
    known = depth > 0
    return DenseTargets(
        depth=depth.astype(np.float32),
        normals=np.where(known, normal[:, None, None], 0).astype(np.float32),
        segments=known.astype(np.int64),
        camera=camera,
    )


def fitted_normal(depth: np.ndarray, camera: np.ndarray) -> np.ndarray:
    """The normal of the plane through all points of a depth map: the least singular vector."""
    points = back_project(depth, camera)[depth > 0]
    centred = points - points.mean(axis=0)
    normal = np.linalg.svd(centred, full_matrices=False)[2][-1]
    return normal * -np.sign(normal @ points.mean(axis=0))


def check_plane(found: DenseTargets, reach: float) -> None:
    """See that depth and camera tell one plane, with the normals that are stated.

    Args:
        found: What is known of it.
        reach: How far a pixel may lie from the one that its depth was taken from, in pixels.
    """
    assert found.depth is not None
    assert found.normals is not None
    assert found.segments is not None
    assert found.camera is not None
    known = found.depth > 0
    np.testing.assert_array_equal(known, found.segments > 0)
    np.testing.assert_array_equal(known, (found.normals != 0).any(axis=0))
    stated = found.normals[:, known].T
    np.testing.assert_allclose(stated, np.broadcast_to(stated[0], stated.shape), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(stated[0]), 1, rtol=1e-6)
    # Seen through the camera, the stated plane has the stated depths, up to the shift of pixels.
    normal, points = stated[0], back_project(found.depth, found.camera)[known]
    slopes = points / points[:, 2:] @ normal
    distance = -np.median(points @ normal)
    slack = np.abs(normal[:2] / found.camera[:2]).sum() * reach / np.abs(slopes)
    wrong = np.abs(points @ normal + distance) / distance
    # The distance itself is only known as well as that.
    assert (wrong <= 1.01 * (slack + np.median(slack)) + 1e-5).all()
    if known.sum() > 1000:
        angle = np.degrees(
            np.arccos(np.clip(fitted_normal(found.depth, found.camera) @ normal, -1, 1))
        )
        assert angle < 1 + 100 * reach / found.camera[0]


@given(
    normal=normals,
    camera=cameras,
    window=st.tuples(
        st.integers(0, 20), st.integers(0, 30), st.integers(40, 70), st.integers(50, 90)
    ),
    size=st.tuples(st.integers(30, 200), st.integers(30, 200)),
    flip=st.booleans(),
    keep_focal=st.booleans(),
)
@examples(60)
def test_crop_scale_and_mirror(
    normal: np.ndarray,
    camera: np.ndarray,
    window: tuple[int, int, int, int],
    size: tuple[int, int],
    flip: bool,
    keep_focal: bool,
) -> None:
    geometry = Geometry(SIZE, Box(*window), size, flip, size)
    found = targets_of(normal, camera).mapped(geometry, keep_focal=keep_focal)
    assert found.size == size
    # The nearest pixel is half a pixel of the file away at most.
    check_plane(found, reach=0.5 * max(geometry.scale))
    if not keep_focal and not flip:
        np.testing.assert_allclose(found.camera[:2], camera[:2] * geometry.scale)  # type: ignore[index]


@given(normal=normals, camera=cameras, degrees=st.floats(-40, 40))
@examples(30)
def test_rotation(normal: np.ndarray, camera: np.ndarray, degrees: float) -> None:
    rotation = Rotation(SIZE, degrees, aspect=camera[1] / camera[0])
    found = targets_of(normal, camera).rotated(rotation)
    check_plane(found, reach=0.75)
    assert found.camera is not None
    # A point of the scene, turned about the optical axis, is seen where its pixel was moved to.
    point = np.array([[0.3, -0.2, 1.7]])
    turned = np.concatenate([point[:, :2] @ rotation.turn.T, point[:, 2:]], axis=1)
    moved = rotation.points(project(point, camera))
    np.testing.assert_allclose(project(turned, found.camera), moved, atol=1e-9)


def test_whole_pixels_are_moved_exactly() -> None:
    camera = np.array([100.0, 100.0, 60.0, 40.0])
    given = targets_of(unit([0.3, -0.4, -1]), camera)
    assert given.depth is not None
    flipped = given.mapped(Geometry(SIZE, Box(10, 20, 60, 80), (60, 80), True, (60, 80)))
    assert flipped.depth is not None
    np.testing.assert_array_equal(flipped.depth, given.depth[10:70, 20:100][:, ::-1])
    np.testing.assert_allclose(flipped.camera, [100, 100, 79 - 40, 30])
    np.testing.assert_allclose(flipped.normals[:, 0, 0], unit([-0.3, -0.4, -1]), rtol=1e-6)  # type: ignore[index]
    # A third of the size takes the middle pixel of nine, whose rays the new camera has.
    third = given.mapped(Geometry(SIZE, Box(0, 0, *SIZE), (30, 40), False, (30, 40)))
    np.testing.assert_array_equal(third.depth, given.depth[1::3, 1::3])
    points = back_project(given.depth, camera)[1::3, 1::3]
    np.testing.assert_allclose(back_project(third.depth, third.camera), points, rtol=1e-6)  # type: ignore[arg-type]
    # With the focal length kept, half the size is twice the distance.
    half = given.mapped(
        Geometry(SIZE, Box(0, 0, *SIZE), (45, 60), False, (45, 60)), keep_focal=True
    )
    np.testing.assert_array_equal(half.depth, 2 * given.depth[1::2, 1::2])
    np.testing.assert_allclose(half.camera, [100, 100, 29.75, 19.75])
    np.testing.assert_allclose(half.normals[:, 0, 0], unit([0.3, -0.4, -0.5]), rtol=1e-6)  # type: ignore[index]


@pytest.mark.parametrize("degrees", [0, 90, 180])
def test_quarter_turns(degrees: int) -> None:
    planes = np.arange(25).reshape(5, 5)
    # From x to y is clockwise, where y points down.
    turned = Rotation((5, 5), degrees).nearest(planes)
    np.testing.assert_array_equal(turned, np.rot90(planes, -degrees // 90))


def test_what_is_uncovered_has_no_depth() -> None:
    turned = Rotation((40, 40), 45).nearest(np.ones((2, 40, 40)))
    assert not turned[:, [0, 0, -1, -1], [0, -1, 0, -1]].any()
    assert turned[:, 20].all()
