import csv
import json
from pathlib import Path

import pytest
from helpers.light_commands import HEAVY, evaluate_without
from helpers.lvis import random_lvis

from vision.cli.commands import evaluate
from vision.metrics.lvis.evaluation import evaluate_lvis


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    words = ["lvis"]
    contents = random_lvis(3, images=6)
    for option, one in zip(("annotations", "predictions"), contents, strict=True):
        path = tmp_path / f"{option}.json"
        path.write_text(json.dumps(one))
        words += [f"--{option}", str(path)]
    return words


def test_numbers_and_rows_are_written(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    numbers, rows = tmp_path / "new" / "numbers.json", tmp_path / "rows.csv"
    more = ["--json", str(numbers), "--csv", str(rows), "--categories"]
    assert evaluate.main([*command, *more]) == 0
    expected = evaluate_lvis(command[2], command[4])
    assert json.loads(numbers.read_text()) == expected.to_json()
    text = capsys.readouterr().out
    for kind in ("bbox", "segm"):
        assert expected.table(kind) in text
    assert expected.category_table() in text
    with rows.open(newline="") as file:
        written = list(csv.DictReader(file))
    assert [*written[0]][:4] == ["id", "name", "frequency", "objects"]
    assert [row["frequency"] for row in written] == [row.frequency for row in expected.rows]


def test_a_file_of_coco_is_refused(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "annotations.json"
    truth = json.loads(path.read_text())
    for image in truth["images"]:
        del image["neg_category_ids"]
    path.write_text(json.dumps(truth))
    assert evaluate.main(command) == 2
    message = capsys.readouterr().err
    assert str(path) in message
    assert "neg_category_ids" in message
    assert len(message.splitlines()) <= 8


def test_files_are_compared_without_torch(command: list[str]) -> None:
    evaluate_without(HEAVY, [*command, "--kinds", "bbox"])
