import json
from pathlib import Path

import numpy as np
import pytest
from helpers.normal_files import random_normals, write_normals

from vision.cli.commands import evaluate


def test_numbers_and_rows_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(2):
        write_normals(tmp_path / "true" / f"{number}_normal.png", random_normals(number))
        (tmp_path / "found").mkdir(exist_ok=True)
        np.save(tmp_path / "found" / f"{number}.npy", random_normals(number) * [-1, 1, -1])
    numbers, rows = tmp_path / "numbers.json", tmp_path / "rows.csv"
    folders = ["--annotations", tmp_path / "true", "--predictions", tmp_path / "found"]
    command = ["normals", *map(str, folders), "--annotation-suffix", "_normal"]
    assert evaluate.main([*command, "--json", str(numbers), "--csv", str(rows)]) == 0
    text = capsys.readouterr().out
    written = json.loads(numbers.read_text())
    assert f"{written['mean']:.4f}" in text
    assert "\n2 images in " in text
    assert rows.read_text().startswith("image,pixels,mean")
    assert written["mean"] > 60
    assert "--negate" in text
    assert evaluate.main([*command, "--negate", "x", "z", "--json", str(numbers)]) == 0
    assert "--negate" not in capsys.readouterr().out
    assert json.loads(numbers.read_text())["mean"] < 0.3
    (tmp_path / "found" / "1.npy").unlink()
    assert evaluate.main(command) == 2
    assert "'1.*'" in capsys.readouterr().err
