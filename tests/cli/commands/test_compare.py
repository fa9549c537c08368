import json
from pathlib import Path

import pytest
from helpers.run_folders import START, VALIDATED, write_run
from helpers.tiny_task import tiny_task

from vision.cli.commands import compare


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for i in range(5):
        rows = [{**row, "val/top1": 0.1 * i} if "val/top1" in row else row for row in VALIDATED]
        write_run(tmp_path / "digits" / f"version_{i}", rows, starts=[START], seed_everything=i)
    return tmp_path / "digits"


def test_two_runs_are_columns(
    runs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    assert compare.main([str(runs / "version_1"), str(runs / "version_2")]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["digits/version_1", "digits/version_2"] in lines
    assert ["val/top1", "best", "0.1000", "0.2000", "*", "(+0.1000)"] in lines
    assert ["val/loss", "best", "1.0000", "1.0000"] in lines
    assert ["seed_everything", "1", "2"] in lines


def test_many_runs_are_rows_in_as_many_tables_as_fit(
    runs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert compare.main([str(runs)]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.split("note:")[0].splitlines())) <= 80
    assert out.count("Validation during training") > 1
    lines = [line.split() for line in out.splitlines()]
    found = [line for line in lines if "digits/version_4" in line]
    assert ["0.4000", "*", "(+0.4000)"] in [line[-3:] for line in found]
    for name in ("val/loss best", "val/loss last", "val/top1 best", "val/top1 last"):
        assert name in out


def test_files_are_written_where_they_were_asked_for(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    options = [f"--{kind}={out / kind}" for kind in ("html", "json", "csv")]
    assert compare.main([str(runs), *options]) == 0
    assert len(json.loads((out / "json").read_text())["runs"]) == 5
    assert len((out / "csv").read_text().splitlines()) == 6
    assert (out / "html").read_text().startswith("<!DOCTYPE html>")
    assert f"wrote {out / 'html'}" in capsys.readouterr().out


def test_a_checkpoint_stands_for_its_run(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(runs / "version_0", starts=[START], task=tiny_task())
    assert compare.main([str(runs / "version_0" / "checkpoints" / "best.ckpt")]) == 0
    assert "convnext" in capsys.readouterr().out


def test_damaged_files_are_noted_and_the_rest_is_shown(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (runs / "version_0" / "env.json").write_text("{")
    assert compare.main([str(runs / "version_0"), str(runs / "version_1")]) == 0
    out = capsys.readouterr().out
    assert f"note: {runs / 'version_0' / 'env.json'}: damaged" in out
    hardware = next(line.split() for line in out.splitlines() if "hardware" in line)
    assert hardware[:4] == ["hardware", "unknown", "A", "processor,"]


def test_what_is_no_run_ends_with_a_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare.main([str(tmp_path / "nothing")]) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith(f"error: there is no run '{tmp_path / 'nothing'}'")
    assert shown.out == ""
