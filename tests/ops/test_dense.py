"""The order of predictions in a row."""

import torch

from vision.ops.dense import flatten_map


def test_rows_run_by_row_cell_and_anchor() -> None:
    features = torch.arange(2 * 6 * 2 * 4).view(2, 6, 2, 4)  # two anchors of three channels
    rows = flatten_map(features, 3)
    assert rows.shape == (2, 16, 3)
    for y in range(2):
        for x in range(4):
            for anchor in range(2):
                expected = features[1, 3 * anchor : 3 * anchor + 3, y, x]
                assert torch.equal(rows[1, (y * 4 + x) * 2 + anchor], expected)
