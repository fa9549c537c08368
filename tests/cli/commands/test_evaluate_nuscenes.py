import csv
import json
from pathlib import Path

import numpy as np
import pytest
from helpers.light_commands import HEAVY, evaluate_without
from helpers.nuscenes import random_drive, random_results

from vision.annotations.nuscenes_names import CLASSES
from vision.cli.commands import evaluate
from vision.metrics.nuscenes.files import evaluate_nuscenes


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    rng = np.random.default_rng(2)
    tables = random_drive(rng, scenes=2, samples=3, objects=12)
    tables.write(tmp_path / "v1.0-mini")
    (tmp_path / "found.json").write_text(json.dumps(random_results(rng, tables)))
    words = ["nuscenes", "--annotations", str(tmp_path / "v1.0-mini")]
    return [*words, "--predictions", str(tmp_path / "found.json")]


def test_numbers_and_rows_are_written(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    numbers, rows = tmp_path / "new" / "numbers.json", tmp_path / "rows.csv"
    assert evaluate.main([*command, "--json", str(numbers), "--csv", str(rows)]) == 0
    expected = evaluate_nuscenes(tmp_path / "v1.0-mini", tmp_path / "found.json")
    assert json.loads(numbers.read_text()) == expected.to_json()
    text = capsys.readouterr().out
    assert expected.table() in text
    assert "\n6 key frames in " in text
    with rows.open(newline="") as file:
        written = list(csv.DictReader(file))
    assert [row["class"] for row in written] == list(CLASSES)
    assert [float(row["AP_2.0"]) for row in written] == expected.ap[:, 2].tolist()
    assert written[CLASSES.index("traffic_cone")]["AOE"] == ""


def test_scenes_of_a_split_are_evaluated(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    split = tmp_path / "val.txt"
    split.write_text("scene-0001\n")
    assert evaluate.main([*command, "--split", str(split)]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("3 key frames in ")


def test_mistakes_end_with_a_message(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "found.json"
    path.write_text(path.read_text().replace('"detection_name": "', '"detection_name": "old_', 1))
    assert evaluate.main(command) == 2
    message = capsys.readouterr().err
    assert "found.json" in message
    assert "'detection_name' is 'old_" in message
    assert len(message.splitlines()) <= 8
    assert evaluate.main(command[:3]) == 2
    assert "--predictions" in capsys.readouterr().err


def test_results_are_compared_without_torch(command: list[str]) -> None:
    evaluate_without(HEAVY, command)
