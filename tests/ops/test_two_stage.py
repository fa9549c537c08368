"""What passes from a two-stage head to its criterion."""

import pytest
import torch

from vision.ops.two_stage import pick_class, rows_to_run


def test_the_values_of_one_class_each() -> None:
    values = torch.randn(6, 3, 4, 2)
    labels = torch.tensor([0, 2, 1, 3, 2, 0])
    picked = pick_class(values, labels)
    for row, label in enumerate([0, 2, 1, 0, 2, 0]):  # 3 is the background
        assert torch.equal(picked[row], values[row, label])
    shared = pick_class(values[:, :1], labels)
    assert torch.equal(shared, values[:, 0])


@pytest.mark.parametrize("exact", [True, False])
def test_filled_rows_are_run_and_one_at_least(exact: bool) -> None:
    valid = torch.tensor([False, True, False, True])
    assert rows_to_run(valid, exact=exact).tolist() == [1, 3]
    assert rows_to_run(torch.zeros(4, dtype=torch.bool), exact=exact).tolist() == [0]


def test_an_exported_program_runs_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    assert rows_to_run(torch.tensor([False, True]), exact=True).tolist() == [0, 1]
