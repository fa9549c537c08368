import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vision.cli.commands import evaluate
from vision.metrics.depth import measure_depth
from vision.metrics.depth_protocol import DepthProtocol

MAPS = np.random.default_rng(0).uniform(0.5, 9, (2, 2, 12, 16)).round(2)


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    for name in ("true", "found"):
        (tmp_path / name / "a").mkdir(parents=True)
    for number in range(2):
        values = (MAPS[0, number] * 256).round().astype(np.uint16)
        Image.fromarray(values).save(tmp_path / "true" / "a" / f"{number}_depth.png")
        np.save(tmp_path / "found" / "a" / f"{number}.npy", MAPS[1, number])
    folders = ["--annotations", tmp_path / "true", "--predictions", tmp_path / "found"]
    return ["depth", *map(str, folders), "--annotation-suffix", "_depth"]


def test_numbers_and_rows_are_written(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    numbers, rows = tmp_path / "new" / "numbers.json", tmp_path / "rows.csv"
    options = ["--annotation-scale", "256", "--max", "8", "--crop", "garg", "--scale", "median"]
    files = ["--json", str(numbers), "--csv", str(rows)]
    assert evaluate.main([*command, *options, *files]) == 0
    protocol = DepthProtocol(max_depth=8, crop="garg", scale="median")
    truth = (MAPS[0] * 256).round() / 256
    each = [measure_depth(*pair, protocol) for pair in zip(MAPS[1], truth, strict=True)]
    written = json.loads(numbers.read_text())
    assert written["rmse"] == pytest.approx(np.mean([one.values["rmse"] for one in each]))
    assert written["protocol"] == vars(protocol)
    assert written["factors"]["median"] == pytest.approx(np.median([one.factor for one in each]))
    text = capsys.readouterr().out
    assert f"{written['rmse']:.4f}" in text
    assert "\n2 images in " in text
    lines = rows.read_text().splitlines()
    assert lines[0].startswith("image,pixels,factor,abs_rel,sq_rel,rmse,")
    assert len(lines) == 3


def test_mistakes_end_with_a_message(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def message(*more: str) -> str:
        assert evaluate.main([*command, *more]) == 2
        return capsys.readouterr().err

    assert "--annotation-scale" in message()
    assert "--max 4 must be above --min 5" in message("--min", "5", "--max", "4")
    assert "--min: '-1'" in message("--annotation-scale", "256", "--min", "-1")
    (tmp_path / "found" / "a" / "1.npy").unlink()
    assert "'a/1.*'" in message("--annotation-scale", "256")
