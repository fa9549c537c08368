"""Codes of places; the authors' encoder, which reads them, is in `test_parity_heads.py`."""

import math

import pytest
import torch

from vision.ops.sine_positions import cell_positions, sine_positions


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
