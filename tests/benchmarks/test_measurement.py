"""Unequal sides are refused, rows are what was measured, and files give back what was written."""

import time
from pathlib import Path

import pytest
import torch
from helpers.refusals import refuses

from vision.benchmarks import load
from vision.benchmarks.load import Load, LoadMeter
from vision.benchmarks.measurement import Measurement, UnequalSidesError, check_equal, check_same
from vision.benchmarks.results import Row, Table, read_tables, row_line, write_tables
from vision.benchmarks.timing import Times
from vision.errors import ConfigError


def test_the_difference_is_a_share_of_the_largest_value() -> None:
    ours = {"a": torch.tensor([1.0, 4.0]), "b": [torch.tensor([100.0])]}
    theirs = {"a": torch.tensor([1.2, 4.0]), "b": [torch.tensor([101.0])]}
    assert check_equal(ours, theirs, tolerance=0.1, what="x") == pytest.approx(0.05)
    with refuses(UnequalSidesError, "swin", "differ by 5.0e-02", "1e-02 is allowed", "not timed"):
        check_equal(ours, theirs, tolerance=0.01, what="swin")


@pytest.mark.parametrize(
    ("theirs", "says"),
    [
        ([torch.zeros(2, 3)], "shapes (2, 2) and (2, 3)"),
        ([torch.zeros(2, 2)] * 2, "1 and 2 outputs"),
        ([torch.full((2, 2), torch.nan)], "differ by nan"),
    ],
)
def test_other_forms_and_nan_are_unequal(theirs: list[torch.Tensor], says: str) -> None:
    with refuses(UnequalSidesError, says):
        check_equal([torch.zeros(2, 2)], theirs, tolerance=1.0, what="x")


def test_labels_may_differ_where_rounding_decides() -> None:
    ours = torch.arange(100)
    theirs = ours.clone()
    theirs[0] = 7
    assert check_same(ours, theirs, minimum=0.99, what="x") == pytest.approx(0.01)
    with refuses(UnequalSidesError, "post-processing", "99.0000%", "99.50% are expected"):
        check_same(ours, theirs, minimum=0.995, what="post-processing")
    with refuses(UnequalSidesError, "0.0000%"):
        check_same(ours, theirs[:50], minimum=0.5, what="x")


def measured_table() -> Table:
    measured = Measurement("Two sides")
    ours, theirs = Times([0.2, 0.4, 0.2], [0.1] * 3), Times([0.6, 0.4, 0.6], [0.2] * 3)
    measured.add_times("a step", [ours, theirs], peer="timm", per=2, difference=1e-6)
    measured.add_times("alone", [ours], of="step")
    measured.add_times("once", [Times([0.1], [0.1])] * 2, of="step")
    measured.add(Row("kept", "MiB/image", 2.0, 3.0, "timm"))
    measured.note("not measured: a GPU")
    return measured.table("vision benchmark sides")


def test_rows_are_medians_their_ratio_and_its_interval(capsys: pytest.CaptureFixture[str]) -> None:
    table = measured_table()
    wall, processor, alone, _, once, _, kept = table.rows
    assert (wall.label, wall.unit, wall.peer) == ("a step", "ms/image", "timm")
    assert (wall.ours, wall.theirs) == pytest.approx((100, 300))
    assert wall.ratio == pytest.approx(3)
    assert wall.low is not None
    assert wall.high is not None
    assert wall.low < 3 < wall.high
    assert (wall.rounds, wall.difference) == (3, 1e-6)
    assert (processor.unit, processor.ratio) == ("CPU ms/image", pytest.approx(2))
    assert (alone.unit, alone.ours, alone.theirs) == ("ms/step", pytest.approx(200), None)
    assert (once.ratio, once.low, once.high) == (1, None, None)
    assert (kept.ratio, kept.low) == (1.5, None)
    printed = capsys.readouterr().out.splitlines()
    assert [line for line in printed if line in map(row_line, table.rows)] == printed[2:9]
    assert printed[9] == table.notes[0]
    assert printed[10] == table.environment.load.describe()
    assert table.environment.versions["torch"] == torch.__version__


def test_a_file_gives_back_what_was_written(tmp_path: Path) -> None:
    tables = [measured_table()]
    write_tables(tables, tmp_path / "made" / "x.json")
    assert read_tables(tmp_path / "made" / "x.json") == tables
    (tmp_path / "other.json").write_text('{"format": 1, "tables": [{"title": "x"}]}')
    with refuses(ConfigError, "other.json", "holds no results", "--json FILE"):
        read_tables(tmp_path / "other.json")


def test_a_meter_tells_the_work_of_others_from_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    cores = iter([(1000.0, 500.0), (1010.0, 508.0)])
    own = iter([5.0, 9.0])
    monkeypatch.setattr(load, "_cores_s", lambda: next(cores))
    monkeypatch.setattr(load, "_own_s", lambda: next(own))
    found = LoadMeter().read()
    assert found.others == pytest.approx(0.4)  # of ten seconds eight were busy, four of them ours
    assert found.is_busy
    assert "40% of the processor time" in found.describe()
    assert "BUSY" in found.describe()


def test_own_work_is_none_of_others() -> None:
    before = load._own_s()
    until = time.process_time() + 0.05
    while time.process_time() < until:
        pass
    assert 0.05 <= load._own_s() - before < 5
    assert not Load(0.0, 1.0, 0.01).is_busy
    assert not Load(None, None, None).is_busy
