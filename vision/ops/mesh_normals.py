"""Normals at the vertices of meshes of triangles.

"Computing Vertex Normals from Polygonal Facets", G. Thuermer and C. Wuethrich, 1998. Letters: P
vertices, F triangles.
"""

import numpy as np


def vertex_normals(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """The mean normals of the triangles at each vertex, weighed by their angles there.

    Args:
        points: float `(P, 3)`.
        triangles: int64 `(F, 3)`, indices of vertices; counter-clockwise seen from outside.

    Returns:
        float64 `(P, 3)` unit vectors; 0 for a vertex of no triangle with an area.
    """
    corners = points.astype(np.float64)[triangles]  # (F, corner, 3)
    ahead = np.roll(corners, -1, axis=1) - corners
    back = np.roll(corners, 1, axis=1) - corners
    crossed = np.cross(ahead, back)  # (F, corner, 3), all along the triangle's normal
    angles = np.arctan2(_length(crossed), (ahead * back).sum(axis=2, keepdims=True))
    weighed = _unit(crossed[:, :1]) * angles
    sums = [
        np.bincount(triangles.ravel(), weighed[:, :, axis].ravel(), minlength=len(points))
        for axis in range(3)
    ]
    return _unit(np.stack(sums, axis=1))


def _length(vectors: np.ndarray) -> np.ndarray:
    return np.linalg.norm(vectors, axis=-1, keepdims=True)


def _unit(vectors: np.ndarray) -> np.ndarray:
    lengths = _length(vectors)
    return vectors / np.where(lengths > 0, lengths, 1)
