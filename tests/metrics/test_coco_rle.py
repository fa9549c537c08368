"""Run lengths: the check finds what does not cover its mask, and nothing else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import examples
from pycocotools import mask as mask_tools

from vision.metrics.coco_rle import as_rle, find_broken


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
    assert find_broken(rles) is None
    broken = int(draw.integers(3))
    size = [height, width + 1]
    assert find_broken([*rles[:broken], {**rles[broken], "size": size}, *rles]) == broken


def test_each_kind_of_damage_is_found() -> None:
    whole = encode(np.eye(20))
    counts = whole["counts"]
    for damaged in (b"", counts[:-1], counts + b"0", b"0P", b"\x7f" + counts, counts[:-1] + b" "):
        assert find_broken([whole, {**whole, "counts": damaged}]) == 1
    # They add up to 400, but nothing has less than no pixels.
    for counts in ([25, -5, 380], [25, 30, 300, -5, 50]):
        assert sum(counts) == 400
        assert find_broken([whole, {**whole, "counts": pack(counts)}]) == 1
    right = pack([25, 30, 300, 5, 40])
    assert find_broken([{**whole, "counts": right}]) is None
    assert int(mask_tools.area({**whole, "counts": right})) == 35
    assert find_broken([]) is None
    text = {**whole, "counts": whole["counts"].decode()}
    assert find_broken([text] * 5000 + [{**whole, "counts": "0P"}]) == 5000


def test_polygons_and_plain_counts_are_packed() -> None:
    mask = np.zeros((10, 12), bool)
    mask[2:6, 3:9] = True
    square = as_rle([[3, 2, 9, 2, 9, 6, 3, 6]], 10, 12)
    assert (mask_tools.decode(square) == mask).all()
    flat = mask.ravel(order="F")
    counts = np.diff([0, *np.flatnonzero(np.diff(flat)) + 1, flat.size]).tolist()
    plain = as_rle({"size": [10, 12], "counts": counts}, 10, 12)
    assert (mask_tools.decode(plain) == mask).all()
    two = as_rle([[3, 2, 6, 2, 6, 6, 3, 6], [6, 2, 9, 2, 9, 6, 6, 6]], 10, 12)
    assert (mask_tools.decode(two) == mask).all()


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ([], "three or more points"),
        ([[0, 0, 1, 1]], "three or more points"),
        ([[0, 0, float("nan"), 1, 2, 2]], "not finite"),
        ({"counts": "0"}, "neither"),
        ({"size": [12, 10], "counts": [120]}, "the image"),
        ({"size": [10, 12], "counts": [119]}, "add up"),
    ],
)
def test_other_shapes_are_refused(shape: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        as_rle(shape, 10, 12)
