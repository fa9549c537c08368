"""Pieces that are chosen are those of a list of lists."""

import numpy as np

from vision.data.index.pieces import take_pieces


def test_pieces_are_those_of_lists() -> None:
    pieces = [[3, 1], [], [4], [1, 5, 9], []]
    values = np.array([value for piece in pieces for value in piece])
    starts = np.array([0, 2, 2, 3, 6, 6])
    for chosen in ([3, 0, 3, 1], [2], []):
        found = take_pieces(starts, np.array(chosen, dtype=np.int64))
        expected = [pieces[place] for place in chosen]
        assert found.starts.tolist() == [0, *np.cumsum([len(piece) for piece in expected])]
        assert values[found.rows].tolist() == [value for piece in expected for value in piece]
