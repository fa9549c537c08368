"""Normals of meshes, against a loop over triangles and against a sphere."""

import math

import numpy as np
import scipy.spatial

from vision.ops.mesh_normals import vertex_normals


def test_a_loop_over_triangles_finds_the_same() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(30, 3))
    triangles = np.array([rng.choice(28, 3, replace=False) for _ in range(60)])
    sums = np.zeros((30, 3))
    for triangle in triangles.tolist():
        for turn in range(3):
            a, b, c = (points[triangle[(turn + step) % 3]] for step in range(3))
            normal = np.cross(b - a, c - a)
            cosine = (b - a) @ (c - a) / np.linalg.norm(b - a) / np.linalg.norm(c - a)
            sums[triangle[turn]] += normal / np.linalg.norm(normal) * math.acos(cosine)
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    truth = np.divide(sums, lengths, out=np.zeros_like(sums), where=lengths > 0)
    np.testing.assert_allclose(vertex_normals(points, triangles), truth, atol=1e-10)
    assert not vertex_normals(points, triangles)[28:].any()


def test_normals_of_a_sphere_point_outward() -> None:
    points = np.random.default_rng(1).normal(size=(800, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    triangles = scipy.spatial.ConvexHull(points).simplices
    a, b, c = (points[triangles[:, place]] for place in range(3))
    inward = (np.cross(b - a, c - a) * a).sum(axis=1) < 0
    triangles[inward] = triangles[inward][:, ::-1]
    cosines = (vertex_normals(points + 5, triangles) * points).sum(axis=1)
    assert cosines.min() > 0.97


def test_a_triangle_without_an_area_counts_for_nothing() -> None:
    points = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [2, 0, 0]])
    found = vertex_normals(points, np.array([[0, 1, 2], [0, 1, 3], [0, 0, 1]]))
    np.testing.assert_allclose(found, [[0, 0, 1], [0, 0, 1], [0, 0, 1], [0, 0, 0]])
