"""The share of a union, by hand, where it has no size too."""

import warnings

import numpy as np
import torch

from vision.ops.rectangles import intersection_over_union


def test_regions_without_a_size_share_nothing() -> None:
    """KITTI's regions have sizes of -1, whose volume of -1 meets boxes that are rounded to 0."""
    shared, a = np.array([2.0, 0.0, 0.0, 0.0]), np.array([4.0, 0.0, 0.0, 5.0])
    b = np.array([4.0, -1.0, 0.0, -1.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert intersection_over_union(shared, a, b).tolist() == [1 / 3, 0, 0, 0]
    found = intersection_over_union(*(torch.from_numpy(one) for one in (shared, a, b)))
    assert found.tolist() == [1 / 3, 0, 0, 0]
