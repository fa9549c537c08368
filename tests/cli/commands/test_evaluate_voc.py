import csv
import json
from pathlib import Path

import pytest
from helpers.light_commands import HEAVY, evaluate_without
from helpers.tiny_boxes import voc_xml

from vision.cli.commands import evaluate

CAT, DOG = (1, 1, 10, 10), (20, 20, 40, 35)


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    """Two images with a cat each; the dog is difficult. One cat is found."""
    folder = tmp_path / "Annotations"
    folder.mkdir()
    (folder / "000007.xml").write_text(voc_xml("000007", [("cat", CAT, 0), ("dog", DOG, 1)]))
    (folder / "000009.xml").write_text(voc_xml("000009", [("cat", CAT, 0)]))
    (folder / "000001.xml").write_text(voc_xml("000001", [("cat", CAT, 0)]))
    (tmp_path / "test.txt").write_text("000007\n000009\n")
    results = [{"image_id": 1, "category_id": 8, "bbox": [0, 0, 10, 10], "score": 0.5}]
    (tmp_path / "found.json").write_text(json.dumps(results))
    words = ["voc", "--annotations", folder, "--predictions", tmp_path / "found.json"]
    return [*map(str, words), "--split", str(tmp_path / "test.txt")]


def test_numbers_and_rows_are_written(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    numbers, rows = tmp_path / "new" / "numbers.json", tmp_path / "rows.csv"
    assert evaluate.main([*command, "--json", str(numbers), "--csv", str(rows)]) == 0
    written = json.loads(numbers.read_text())
    # Half of the cats: at six of eleven recalls the precision is 1.
    assert written["AP_2007"] == pytest.approx(6 / 11)
    assert (written["AP_2010"], written["images"]) == (0.5, 2)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == [
        "class",
        "objects",
        "difficult",
        "predictions",
        "AP_2007",
        "AP_2010",
    ]
    assert lines[-2].split() == ["mean", "2", "1", "1", "0.5455", "0.5000"]
    assert lines[-1].startswith("2 images in ")
    with rows.open(newline="") as file:
        table = {row["class"]: row for row in csv.DictReader(file)}
    assert len(table) == 20
    assert (table["dog"]["difficult"], table["dog"]["AP_2010"]) == ("1", "")
    assert table["cat"]["AP_2010"] == "0.5"


def test_own_classes_and_text_files(command: list[str], tmp_path: Path) -> None:
    found = tmp_path / "found"
    found.mkdir()
    (found / "comp4_det_test_cat.txt").write_text("000009 0.5 1 1 10 10\n")
    (found / "comp4_det_test_dog.txt").write_text("")
    numbers = tmp_path / "numbers.json"
    command[4] = str(found)
    more = ["--classes", "cat", "dog", "--json", str(numbers)]
    assert evaluate.main([*command, *more]) == 0
    assert json.loads(numbers.read_text())["AP_2010"] == 0.5


def test_mistakes_end_with_a_message(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate.main([*command, "--classes", "dog"]) == 2
    message = capsys.readouterr().err
    assert "000007.xml', object 1 (cat): no class of that name" in message
    assert len(message.splitlines()) <= 8
    assert evaluate.main(command[:3]) == 2
    assert "--predictions" in capsys.readouterr().err


def test_files_are_compared_without_torch(command: list[str]) -> None:
    evaluate_without(HEAVY, command)
