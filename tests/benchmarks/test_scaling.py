"""The command that models training on many GPUs: its counts, and what it prints."""

import json
import re
from pathlib import Path

import pytest

from vision.benchmarks.scaling import model_units
from vision.cli.main import main


def test_units_add_up_to_the_model() -> None:
    units = model_units("convnext_tiny", 224)
    # "A ConvNet for the 2020s", 2022, table 1: 28.6 M parameters and 4.5 G multiply-adds, of which
    # the classifier has 769 x 1000.
    assert sum(unit.bytes for unit in units) / 4e6 == pytest.approx(28.59 - 0.769, abs=0.01)
    assert sum(unit.flops for unit in units) / 2e9 == pytest.approx(4.46, abs=0.01)
    assert len(units) == 1 + 3 + 18  # what is around, the later downsampling layers, the blocks


def test_the_command_prints_and_writes_its_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "scaling.json"
    words = ["scaling", "convnext_tiny", "--size", "64", "--devices", "1", "16"]
    assert main(["benchmark", *words, "--json", str(file)]) == 0
    shown = capsys.readouterr().out
    assert re.findall(r"^(ddp|fsdp2?)$", shown, re.MULTILINE) == ["ddp", "fsdp", "fsdp2"]
    found = json.loads(file.read_text())
    for name, rows in found["steps"].items():
        assert [row["devices"] for row in rows] == [1, 16], name
        assert rows[0]["efficiency"] == 1.0
        assert rows[1]["efficiency"] < 1.0


def test_a_global_batch_is_shared(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["scaling", "convnext_tiny", "--size", "64", "--devices", "1", "1024", "--strategies"]
    rows = []
    for batch in (["--batch", "64"], ["--batch", "1", "--global-batch", "64"]):
        assert main(["benchmark", *words, "ddp", *batch]) == 0
        last = capsys.readouterr().out.splitlines()[-1].split()
        rows.append(dict(zip(("devices", "step", "transfers"), last, strict=False)))
    assert rows[0]["transfers"] == rows[1]["transfers"]
    assert float(rows[1]["step"]) < float(rows[0]["step"])
