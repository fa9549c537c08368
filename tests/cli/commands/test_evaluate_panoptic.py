import json
from pathlib import Path

import pytest
from helpers.light_commands import HEAVY, evaluate_without
from helpers.random_panoptic import random_scene, scores_of, write_side

from vision.cli.commands import evaluate

SCENES = [random_scene(seed) for seed in range(3)]


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    words = ["panoptic"]
    for option, name in (("annotation", "truth"), ("prediction", "found")):
        contents = write_side(tmp_path / "png" / name, [getattr(one, name) for one in SCENES])
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(contents))
        words += [f"--{option}s", str(path), f"--{option}-images", str(tmp_path / "png" / name)]
    return words


def test_numbers_and_rows_are_written(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    numbers, rows = tmp_path / "new" / "numbers.json", tmp_path / "rows.csv"
    assert evaluate.main([*command, "--json", str(numbers), "--csv", str(rows)]) == 0
    expected = scores_of(SCENES)
    assert json.loads(numbers.read_text()) == expected.to_json()
    text = capsys.readouterr().out
    assert expected.table() in text
    assert "class 3" not in text
    assert "\n3 images in " in text
    lines = rows.read_text().splitlines()
    assert lines[0] == "id,name,isthing,PQ,SQ,RQ,TP,FP,FN"
    assert len(lines) == 1 + len(expected.names)
    assert evaluate.main([*command, "--categories", "--workers", "0"]) == 0
    assert expected.category_table() in capsys.readouterr().out


def test_mistakes_end_with_a_message(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    contents = json.loads((tmp_path / "found.json").read_text())
    contents["annotations"][0]["segments_info"][0]["category_id"] = 7
    (tmp_path / "found.json").write_text(json.dumps(contents))
    assert evaluate.main(command) == 2
    message = capsys.readouterr().err
    assert "category_id 7 is not in 'categories'" in message
    assert "found.json" in message
    assert len(message.splitlines()) <= 8
    assert evaluate.main(command[:3]) == 2
    assert "--predictions" in capsys.readouterr().err


def test_files_are_compared_without_torch_of_which_no_line_speaks(
    command: list[str], tmp_path: Path
) -> None:
    empty = ["--annotations", str(tmp_path / "none"), "--predictions", str(tmp_path / "none")]
    done = evaluate_without(HEAVY, command, ["depth", *empty], ["normals", *empty])
    assert done.stderr.count("there is no") == 2
    assert "PyTorch" not in done.stdout
