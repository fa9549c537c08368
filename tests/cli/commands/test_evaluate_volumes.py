import csv
import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
from helpers.light_commands import HEAVY, evaluate_without

from vision.cli.commands import evaluate


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    """Two subjects; of the first one half is found, the second one has no enhancing tumour."""
    labels = np.zeros((2, 8, 8, 8), np.uint8)
    labels[:, 2:6, 2:6, 2:6], labels[0, 3:5, 3:5, 3:5] = 2, 4
    found = labels.copy()
    found[0, 4:] = 0
    for n in range(2):
        for name, one in ((f"true/p{n}/p{n}_seg", labels[n]), (f"found/p{n}", found[n])):
            path = tmp_path / f"{name}.nii.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            nibabel.save(nibabel.Nifti1Image(one, np.diag([1, 1, 5, 1])), path)
    folders = ["--annotations", tmp_path / "true", "--predictions", tmp_path / "found"]
    return ["volumes", *map(str, folders), "--annotation-suffix", "_seg"]


def test_numbers_and_rows_are_written_without_heavy_packages(
    command: list[str], tmp_path: Path
) -> None:
    numbers, rows = tmp_path / "new" / "numbers.json", tmp_path / "rows.csv"
    whole = [*command, "--regions", "brats", "--json", str(numbers), "--csv", str(rows)]
    done = evaluate_without(HEAVY, whole)
    written = json.loads(numbers.read_text())
    regions = {row["name"]: row for row in written["regions"]}
    assert regions["ET"]["Dice"] == regions["TC"]["Dice"] == pytest.approx(2 / 3)
    assert regions["WT"]["Dice"] == pytest.approx((2 / 3 + 1) / 2)
    assert (regions["ET"]["labelled"], regions["WT"]["labelled"]) == (1, 2)
    assert regions["ET"]["HD95"] == 1.0
    assert written["VolumeError"] == pytest.approx(np.mean([0.01, 0.01, 0.08]))
    assert "\n2 volumes in " in done.stdout
    with rows.open() as file:
        first, second = csv.DictReader(file)
    assert (first["subject"], second["subject"]) == ("p0", "p1")
    assert (float(second["Dice_WT"]), second["Dice_ET"]) == (1, "")


def test_the_rules_of_brats_and_labels_of_ones_own(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    numbers = tmp_path / "numbers.json"
    own = ["--labels", "oedema=2", "whole=2,4", "none=9", "--empty", "brats", "--no-distances"]
    assert evaluate.main([*command, *own, "--json", str(numbers)]) == 0
    written = json.loads(numbers.read_text())
    assert [row["name"] for row in written["regions"]] == ["oedema", "whole", "none"]
    assert written["regions"][2]["Dice"] == 1
    assert "HD95" not in written
    assert "HD95" not in capsys.readouterr().out


def test_mistakes_end_with_a_message(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def message(*more: str) -> str:
        assert evaluate.main([*command, *more]) == 2
        return capsys.readouterr().err

    assert "--regions" in message()
    assert "NAME=VALUE" in message("--labels", "liver")
    assert "from 1 to 65,535" in message("--labels", "liver=0")
    assert "one name twice" in message("--labels", "a=2", "a=4")
    assert "label 4" in message("--labels", "oedema=2")
    (tmp_path / "found" / "p1.nii.gz").unlink()
    assert "'p1.*'" in message("--regions", "brats")
