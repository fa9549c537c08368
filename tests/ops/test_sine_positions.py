"""Codes of places; the authors' encoder, which reads them, is in `test_parity_heads.py`."""

import math

import pytest
import torch

from vision.ops.sine_positions import (
    box_codes,
    cell_positions,
    sine_positions,
    valid_positions,
)


def test_a_cell_by_hand() -> None:
    """Row 2 of 3, column 4 of 5, with two frequencies per axis: 1 and 10000 ** -0.5."""
    code = sine_positions((3, 5), 8)[1, 3]
    row, column = 2 / 3 * 2 * math.pi, 4 / 5 * 2 * math.pi
    expected = [
        f(angle * rate)
        for angle in (row, column)
        for rate in (1, 0.01)
        for f in (math.sin, math.cos)
    ]
    assert code.tolist() == pytest.approx(expected, abs=1e-5)


def test_rows_and_columns_are_apart() -> None:
    code = sine_positions((4, 6), 8)
    assert code.shape == (4, 6, 8)
    assert torch.equal(code[:, :, :4], code[:, :1, :4].expand(-1, 6, -1))
    assert torch.equal(code[..., 4:], code[:1, :, 4:].expand(4, -1, -1))
    assert torch.equal(
        sine_positions((6, 6), 8)[..., :4].transpose(0, 1), sine_positions((6, 6), 8)[..., 4:]
    )


def test_a_cell_that_is_counted_from_zero() -> None:
    """Row 1, column 3 of a map of any size: sines, then cosines, of the row, then the column."""
    expected = [
        f(place * rate) for place in (1, 3) for f in (math.sin, math.cos) for rate in (1, 0.01)
    ]
    assert cell_positions((3, 5), 8)[1, 3].tolist() == pytest.approx(expected, abs=1e-6)
    assert cell_positions((2, 9), 8)[1, 3].tolist() == pytest.approx(expected, abs=1e-6)


def test_cells_of_a_padded_map_are_as_those_of_the_valid_one() -> None:
    padding = torch.ones(2, 4, 6, dtype=torch.bool)
    padding[0, :3, :5] = padding[1] = False
    codes = valid_positions(padding, 8, temperatures=(10000.0, 10000.0))
    torch.testing.assert_close(codes[0, :3, :5], sine_positions((3, 5), 8))
    torch.testing.assert_close(codes[1], sine_positions((4, 6), 8))
    # The second frequency of rows, then that of columns.
    codes = valid_positions(padding[1:], 8, temperatures=(4.0, 9.0))[0, 1, 2]
    row, column = 2 / 4 * 2 * math.pi / 2, 3 / 6 * 2 * math.pi / 3
    assert codes[[2, 6]].tolist() == pytest.approx([math.sin(row), math.sin(column)], abs=1e-5)


def test_codes_of_a_box_by_hand() -> None:
    """Center y, center x, width, height, each with the frequencies 1 and 10000 ** -0.5."""
    expected = [
        f(share * 2 * math.pi * rate)
        for share in (0.2, 0.1, 0.3, 0.4)
        for rate in (1, 0.01)
        for f in (math.sin, math.cos)
    ]
    found = box_codes(torch.tensor([0.1, 0.2, 0.3, 0.4]), 8)
    assert found.tolist() == pytest.approx(expected, abs=1e-6)
