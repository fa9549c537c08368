"""Run lengths: the check finds what does not cover its mask, and nothing else."""

import numpy as np
from helpers.properties import examples
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as mask_tools

from vision.annotations.run_lengths import broken_rows, mask_areas, pack_counts


def encode(mask: np.ndarray) -> dict:
    return mask_tools.encode(np.asfortranarray(mask.astype(np.uint8)))


def pack(counts: list[int]) -> bytes:
    """Write counts as pycocotools does: from the fourth on less the one two before."""
    text = []
    for i, count in enumerate(counts):
        rest = count - counts[i - 2] if i > 2 else count
        more = True
        while more:
            bits, rest = rest & 31, rest >> 5
            more = rest != (-1 if bits & 16 else 0)
            text.append(bits + 32 * more + 48)
    return bytes(text)


@examples(30)
@given(seed=st.integers(0, 10**6), height=st.integers(1, 300), width=st.integers(1, 300))
def test_whole_masks_pass_and_any_change_of_a_sum_is_found(
    seed: int, height: int, width: int
) -> None:
    draw = np.random.default_rng(seed)
    share = draw.choice([0, 0.001, 0.1, 0.5, 0.99, 1])
    rles = [encode(draw.random((height, width)) < share) for _ in range(3)]
    texts, pixels = [one["counts"] for one in rles], [height * width] * 3
    assert not broken_rows(texts, pixels).any()
    broken = int(draw.integers(3))
    pixels[broken] += height
    assert np.flatnonzero(broken_rows(texts, pixels)).tolist() == [broken]


def test_each_kind_of_damage_is_found_and_leaves_the_others_whole() -> None:
    whole = encode(np.eye(20))["counts"]
    cases = [b"", whole[:-1], whole + b"0", b"0P", b"\x7f" + whole, whole[:-1] + b" ", b"P" * 9]
    # They add up to 400, but nothing has less than no pixels.
    cases += [pack([25, -5, 380]), pack([25, 30, 300, -5, 50])]
    for damaged in cases:
        assert broken_rows([whole, damaged, whole], [400] * 3).tolist() == [False, True, False]
    right = pack([25, 30, 300, 5, 40])
    assert not broken_rows([right], [400]).any()
    assert int(mask_tools.area({"size": [20, 20], "counts": right})) == 35
    assert broken_rows([], []).tolist() == []
    many = broken_rows([whole] * 5000 + [b"0P"], [400] * 5001)
    assert np.flatnonzero(many).tolist() == [5000]


def test_counts_are_packed() -> None:
    assert pack_counts([25, 30, 300, 5, 40], height=20, width=20) == pack([25, 30, 300, 5, 40])


def test_areas_of_any_number_of_masks() -> None:
    draw = np.random.default_rng(0)
    masks = draw.random((600, 7, 9)) < draw.random((600, 1, 1))
    assert mask_areas([encode(one) for one in masks]) == masks.sum(axis=(1, 2)).tolist()
    assert mask_areas([]) == []
