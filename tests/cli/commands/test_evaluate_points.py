import csv
import json
from pathlib import Path

import numpy as np
import pytest
from helpers.light_commands import HEAVY, evaluate_without

from vision.cli.commands import evaluate
from vision.ops.ply import write_ply


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    """Two rooms of 10 points; in the first one 2 of 5 chairs are taken for floor."""
    truth = {"a/office": np.repeat([0, 1], 5), "hall": np.array([0] * 8 + [255, 1])}
    found = {"a/office": np.array([0] * 7 + [1] * 3), "hall": np.array([0] * 9 + [1])}
    for name, labels in truth.items():
        rows = np.concatenate([np.random.rand(10, 3), np.zeros((10, 3)), labels[:, None]], axis=1)
        for folder in ("true", "found"):
            (tmp_path / folder / name).parent.mkdir(parents=True, exist_ok=True)
        np.save(tmp_path / "true" / f"{name}.npy", rows)
        own = found[name]
        file = tmp_path / "found" / f"{name}.ply"
        write_ply(file, rows[:, :3], np.zeros((10, 3), np.uint8), own)
    folders = ["--annotations", tmp_path / "true", "--predictions", tmp_path / "found"]
    return ["points", *map(str, folders)]


def test_numbers_and_rows_are_written_without_heavy_packages(
    command: list[str], tmp_path: Path
) -> None:
    numbers, rows = tmp_path / "new" / "numbers.json", tmp_path / "rows.csv"
    files = ["--json", str(numbers), "--csv", str(rows), "--classes", "floor", "chair"]
    done = evaluate_without(HEAVY, [*command, "--num-classes", "2", *files])
    written = json.loads(numbers.read_text())
    # Of both rooms together: 13 of 15 floor, 4 of 6 chairs.
    assert written["IoU"] == pytest.approx({"floor": 13 / 15, "chair": 4 / 6})
    assert written["mIoU"] == pytest.approx((13 / 15 + 4 / 6) / 2)
    assert (written["OA"], len(written["rooms"])) == (pytest.approx(17 / 19), 2)
    assert "\n2 rooms in " in done.stdout
    with rows.open() as file:
        floor, chair = csv.DictReader(file)
    assert (floor["name"], float(chair["IoU"])) == ("floor", pytest.approx(4 / 6))


def test_rows_of_rooms_and_mistakes(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = tmp_path / "rows.csv"
    more = ["--num-classes", "2", "--rows", "rooms", "--csv", str(rows)]
    assert evaluate.main([*command, *more]) == 0
    with rows.open() as file:
        first, second = csv.DictReader(file)
    assert (first["room"], second["room"]) == ("a/office", "hall")
    assert (int(second["points"]), float(second["mIoU"])) == (9, 1)
    capsys.readouterr()
    assert evaluate.main([*command, "--num-classes", "2", "--ignore", "0"]) == 0
    assert "of 6 points" in capsys.readouterr().out

    def message(*words: str) -> str:
        assert evaluate.main([*command, *words]) == 2
        return capsys.readouterr().err

    assert "--num-classes" in message()
    assert "class 1 at 5 points" in message("--num-classes", "1")
    np.save(tmp_path / "found" / "hall.npy", np.zeros(9, int))
    assert "both the file of 'hall'" in message("--num-classes", "2")
    (tmp_path / "found" / "hall.ply").unlink()
    assert "9 points" in message("--num-classes", "2")
    (tmp_path / "found" / "hall.npy").unlink()
    assert "'hall.*'" in message("--num-classes", "2")
