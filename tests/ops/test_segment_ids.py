import numpy as np
import pytest

from vision.ops.segment_ids import distinct_ids


@pytest.mark.parametrize("shape", [(0, 4), (1, 1), (7, 9), (30, 40)])
def test_it_is_numpys_unique(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(sum(shape))
    for high in (2, 5, 2**24):
        ids = rng.integers(0, high, shape, dtype=np.int32)
        np.testing.assert_array_equal(distinct_ids(ids), np.unique(ids))
        np.testing.assert_array_equal(distinct_ids(np.sort(ids, axis=None)), np.unique(ids))
