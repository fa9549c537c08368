"""KITTI's difficulties: the easiest level of an object."""

import numpy as np
import pytest

from vision.annotations.kitti_levels import LEVELS, easiest_level, harder_than


@pytest.mark.parametrize(
    ("height", "occlusion", "truncation", "level"),
    [
        (41, 0, 0.15, 0),
        (40, 0, 0, 1),
        (60, 1, 0, 1),
        (60, 0, 0.2, 1),
        (26, 2, 0.3, 2),
        (26, 0, 0.5, 2),
        (25, 0, 0, 3),
        (60, 3, 0, 3),
        (60, 0, 0.51, 3),
    ],
)
def test_easiest_level(height: float, occlusion: int, truncation: float, level: int) -> None:
    given = np.array([[3.0, 10, 9, 10 + height]]), np.array([occlusion]), np.array([truncation])
    assert easiest_level(*given).tolist() == [level]
    assert [bool(harder_than(one, *given)[0]) for one in LEVELS] == [
        place < level for place in range(len(LEVELS))
    ]
