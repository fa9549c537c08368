import csv
import json
from pathlib import Path

import pytest
from helpers.kitti import random_scene
from helpers.light_commands import HEAVY, evaluate_without

from vision.annotations.kitti import write_objects
from vision.cli.commands import evaluate
from vision.metrics.kitti.files import evaluate_kitti


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    words = ["kitti"]
    for option, images in zip(("annotations", "predictions"), random_scene(1), strict=True):
        folder = tmp_path / option
        folder.mkdir()
        for number, objects in enumerate(images):
            (folder / f"{number:06d}.txt").write_text(write_objects(objects))
        words += [f"--{option}", str(folder)]
    return words


def test_numbers_and_rows_are_written(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    numbers, rows = tmp_path / "new" / "numbers.json", tmp_path / "rows.csv"
    assert evaluate.main([*command, "--json", str(numbers), "--csv", str(rows)]) == 0
    expected = evaluate_kitti(tmp_path / "annotations", tmp_path / "predictions")
    assert json.loads(numbers.read_text()) == expected.to_json()
    text = capsys.readouterr().out
    assert expected.table() in text
    assert "\n16 images in " in text
    with rows.open(newline="") as file:
        written = list(csv.DictReader(file))
    assert [*written[0]] == ["class", "metric", "overlap", "recalls", "easy", "moderate", "hard"]
    assert len(written) == len(expected.rows()) == 3 * 6 * 2
    for row, one in zip(written, expected.rows(), strict=True):
        assert float(row["moderate"]) == one["moderate"]


def test_classes_and_images_are_chosen(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    split = tmp_path / "val.txt"
    split.write_text("000001\n000004\n")
    more = ["--classes", "Cyclist", "Car", "--split", str(split)]
    assert evaluate.main([*command, *more]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[2:-1]] == ["Cyclist"] * 6 + ["Car"] * 6
    assert lines[-1].startswith("2 images in ")


def test_mistakes_end_with_a_message(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "predictions" / "000003.txt"
    path.write_text("Car 0 0 0 1 2 3 4 1 1 1 0 0 nan 0 0.5\n")
    assert evaluate.main(command) == 2
    message = capsys.readouterr().err
    assert "000003.txt" in message
    assert "line 1: z is 'nan', expected a finite number" in message
    assert len(message.splitlines()) <= 8
    assert evaluate.main([*command, "--classes", "Tram"]) == 2
    message = capsys.readouterr().err
    assert "Tram" in message
    assert "Cyclist" in message
    assert evaluate.main(command[:3]) == 2
    assert "--predictions" in capsys.readouterr().err


def test_files_are_compared_without_torch(command: list[str]) -> None:
    evaluate_without(HEAVY, command)
