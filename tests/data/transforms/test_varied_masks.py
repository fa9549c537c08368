import numpy as np
import pytest
from helpers.properties import examples
from hypothesis import given
from hypothesis import strategies as st

from vision.contracts.segmentation import IGNORED
from vision.data.transforms.varied_masks import is_varied


@given(
    seed=st.integers(0, 999),
    shares=st.lists(st.integers(1, 9), min_size=1, max_size=6),
    max_share=st.sampled_from([0.25, 0.5, 0.75, 0.9]),
    ignored=st.sampled_from([0.0, 0.4, 1.0]),
)
@examples(60)
def test_the_largest_class_decides(
    seed: int, shares: list[int], max_share: float, ignored: float
) -> None:
    """As if all classes were counted, for masks of one class, of many, and of ignored pixels."""
    generator = np.random.default_rng(seed)
    classes = generator.permutation(IGNORED)[: len(shares)]
    mask = generator.choice(classes, (41, 37), p=np.array(shares) / sum(shares)).astype(np.uint8)
    mask[generator.random(mask.shape) < ignored] = IGNORED
    counts = np.unique(mask[mask != IGNORED], return_counts=True)[1]
    expected = len(counts) > 1 and counts.max() < max_share * counts.sum()
    assert is_varied(mask, max_share) == expected


@pytest.mark.parametrize("share", [0.5, 0.25])
def test_a_class_between_the_rows_of_the_sparse_grid_counts(share: float) -> None:
    mask = np.zeros((64, 64), dtype=np.uint8)
    mask[1::8] = 1
    mask[2::8] = 1
    mask[3::8] = 2
    mask[4::8] = 3
    mask[5::8] = 1
    mask[6::8] = 4
    mask[7::8] = 5  # three eighths are 1, and no other class has more than one eighth
    assert is_varied(mask, share) == (share > 3 / 8)


def test_a_share_that_is_just_reached_is_too_much() -> None:
    mask = np.repeat(np.array([0, 0, 0, 1], dtype=np.uint8), 16).reshape(8, 8)
    assert not is_varied(mask, 0.75)
    assert is_varied(mask, 0.76)
    assert not is_varied(np.full((8, 8), IGNORED, dtype=np.uint8), 0.75)
