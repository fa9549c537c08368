import math

import torch
from helpers.properties import examples
from hypothesis import given
from hypothesis import strategies as st

from vision.ops.voxel_windows import encode_windows, group_windows


def test_windows_are_floors_of_shifted_places() -> None:
    cells = torch.tensor([[0, 0, 0, 0], [0, 4, 0, 0], [0, 5, 0, 0], [1, 0, 0, 0], [0, -1, 0, 0]])
    groups = group_windows(cells, 5, 0)
    assert groups.coords.tolist() == [[0, -1, 0, 0], [0, 0, 0, 0], [0, 1, 0, 0], [1, 0, 0, 0]]
    assert groups.counts.tolist() == [1, 2, 1, 1]
    assert group_windows(cells, 5, 2).counts.tolist() == [2, 2, 1]


@examples(40)
@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=40),
    st.integers(1, 3),
    st.sampled_from([1, 300, 10**6]),
    st.integers(0, 99),
)
def test_parts_hold_every_pair_once_with_its_row(
    windows: list[int], heads: int, numbers: int, seed: int
) -> None:
    rng = torch.Generator().manual_seed(seed)
    count, lengths = len(windows), [8, 6]
    cells = torch.zeros(count, 4, dtype=torch.int64)
    cells[:, 1] = torch.tensor(windows)
    positions = torch.randn(count, 2, generator=rng) * 4
    found = encode_windows(
        group_windows(cells, 1, 0), positions, lengths, heads=heads, numbers=numbers
    )
    assert found.order[found.place].tolist() == list(range(count))
    seen = {}
    for part in found.parts:
        order = found.order[part.start : part.stop]
        assert part.slots.unique().numel() == len(order)
        filled = torch.ones_like(part.slots).bool() if part.filled is None else part.filled
        rows = part.rows.view(*part.slots.shape, part.slots.shape[1], len(lengths))
        for w, i, j in torch.nonzero(filled[:, :, None] & filled[:, None]).tolist():
            pair = tuple(int(order[part.slots[w, at]]) for at in (i, j))
            assert pair not in seen
            seen[pair] = rows[w, i, j].tolist()
    expected = {}
    for i in range(count):
        for j in range(count):
            if windows[i] == windows[j]:
                steps = (positions[i] - positions[j] + torch.tensor([4.0, 3.0])).tolist()
                inside = [
                    min(max(math.floor(s), 0), n - 1) for s, n in zip(steps, lengths, strict=True)
                ]
                expected[i, j] = [inside[0], 8 + inside[1]]
    assert seen == expected
