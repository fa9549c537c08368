"""What several processes have, brought together; several metrics test it with two processes."""

from typing import Any

import pytest

from vision.metrics import processes
from vision.metrics.processes import gather_rows


def test_a_row_that_two_processes_have_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def with_others(share: Any) -> list[Any]:
        return [share, {1: "other", 0: "other"}]

    monkeypatch.setattr(processes, "gather_shares", with_others)
    assert list(gather_rows({4: "own", 1: "own"}).items()) == [(0, "other"), (1, "own"), (4, "own")]


def test_one_process_has_its_own_rows_in_order() -> None:
    assert list(gather_rows({4: "b", 1: "a"}).items()) == [(1, "a"), (4, "b")]
