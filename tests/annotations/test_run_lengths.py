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


def covers(text: bytes, pixels: int) -> bool:
    """Whether run lengths cover a mask, read one character after the other."""
    counts: list[int] = []
    place = 0
    while place < len(text):
        count, bits, more = 0, 0, True
        while more:
            if place == len(text) or not 48 <= text[place] < 112 or bits == 35:
                return False
            character = text[place] - 48
            count |= (character & 31) << bits
            bits, place, more = bits + 5, place + 1, character >= 32
        if character & 16:
            count -= 1 << bits
        counts.append(count + (counts[-2] if len(counts) > 2 else 0))
    return sum(counts) == pixels and min(counts, default=0) >= 0


@examples(60)
@given(seed=st.integers(0, 10**6))
def test_texts_with_any_characters_are_judged_as_one_by_one(seed: int) -> None:
    draw = np.random.default_rng(seed)
    texts = [encode(draw.random((9, 11)) < draw.random())["counts"] for _ in range(12)]
    for place in range(8):
        text = bytearray(texts[place])
        for _ in range(int(draw.integers(1, 4))):
            text[int(draw.integers(len(text)))] = int(draw.integers(40, 120))
        texts[place] = bytes(text)
    broken = broken_rows(texts, [99] * len(texts))
    assert broken.tolist() == [not covers(text, 99) for text in texts]


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
