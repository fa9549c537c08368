import csv
import json
from pathlib import Path

import pytest
from helpers.cityscapes import random_scenes, write_scenes
from helpers.light_commands import HEAVY, evaluate_without

from vision.cli.commands import evaluate
from vision.metrics.cityscapes.files import evaluate_files


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    write_scenes(tmp_path, random_scenes(0))
    words = ["--annotations", tmp_path / "gtFine", "--predictions", tmp_path / "text"]
    return ["cityscapes-instances", *map(str, words)]


def test_numbers_and_rows_are_written(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    numbers, rows = tmp_path / "new" / "numbers.json", tmp_path / "rows.csv"
    assert evaluate.main([*command, "--json", str(numbers), "--csv", str(rows)]) == 0
    expected = evaluate_files(tmp_path / "gtFine", tmp_path / "text")
    written = json.loads(numbers.read_text())
    assert written == expected.to_json()
    assert 0 < written["AP"] < written["AP50"] < 1
    text = capsys.readouterr().out
    assert expected.table() in text
    assert "\n4 images in " in text
    with rows.open(newline="") as file:
        table = {row["class"]: row for row in csv.DictReader(file)}
    assert [*table] == [row.name for row in expected.rows]
    assert (table["train"]["objects"], table["train"]["AP"]) == ("0", "")


def test_mistakes_end_with_a_message(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    next(iter((tmp_path / "text").glob("*.txt"))).unlink()
    assert evaluate.main(command) == 2
    message = capsys.readouterr().err
    assert "1 of 4 images have no text file" in message
    assert len(message.splitlines()) <= 8


def test_files_are_compared_without_torch(command: list[str], tmp_path: Path) -> None:
    evaluate_without(HEAVY, command, [*command[:4], str(tmp_path / "absent.json")])
