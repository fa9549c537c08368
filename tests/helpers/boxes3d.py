"""Boxes in space, drawn by hypothesis or by a seed."""

import math

import numpy as np
import torch
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from torch import Tensor

from vision.contracts.boxes3d import CAMERA, LIDAR, NUSCENES

FRAMES = (CAMERA, LIDAR, NUSCENES)


def angles() -> st.SearchStrategy[float]:
    """Angles of some turns, quarter turns among them."""
    return st.floats(-20, 20) | st.integers(-8, 8).map(lambda quarter: quarter * math.pi / 2)


def boxes_of(maximum: int = 4) -> st.SearchStrategy[Tensor]:
    """One to some boxes, float64 `(N, 7)`."""
    place, size = st.floats(-80, 80), st.floats(0.05, 30)
    box = st.tuples(place, place, place, size, size, size, angles())
    return st.lists(box, min_size=1, max_size=maximum).map(
        lambda rows: torch.tensor(rows, dtype=torch.float64)
    )


def quaternion_matrix(rotation: Tensor) -> Tensor:
    """Rotation matrix of a quaternion w, x, y, z, by scipy."""
    w, x, y, z = rotation.tolist()
    return torch.tensor(Rotation.from_quat([x, y, z, w]).as_matrix())


def random_rectangles(count: int, seed: int, spread: float = 5.0) -> Tensor:
    """Rectangles of which neighbours overlap, float64 `(count, 5)`."""
    rng = np.random.default_rng(seed)
    columns = [
        rng.uniform(-spread, spread, (count, 2)),
        rng.uniform(0.2, 6, (count, 2)),
        rng.uniform(-7, 7, (count, 1)),
    ]
    return torch.from_numpy(np.concatenate(columns, axis=1))
