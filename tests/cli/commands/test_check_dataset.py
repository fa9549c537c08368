import json
from pathlib import Path

import pytest
from helpers.broken_datasets import CASES

from vision import data as datasets
from vision.cli.commands import check_dataset
from vision.wording import counted

EXPECTED_KEYS = ["dataset", "problems", "remarks", "images_decoded", "splits"]


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, list[str], str]:
    code = check_dataset.main([*map(str, words)])
    captured = capsys.readouterr()
    return code, captured.out.splitlines(), captured.err


def words_of(options: dict[str, object]) -> list[str]:
    return [f"--{key}={value}" for key, value in {**options, "num_workers": 0}.items()]


@pytest.mark.parametrize("name", CASES)
def test_good_and_broken_copies(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, report = tmp_path / "data", tmp_path / "report.json"
    words = [name, *words_of(CASES[name].write(root)), "--json", report]
    code, lines, progress = run(capsys, *words)
    assert code == 0, lines
    count, unit = CASES[name].images, getattr(datasets, name).unit
    assert lines[-1] == f"decoded {count} {unit}: all is well."
    if not name.startswith("CIFAR"):  # whose images are read with the index
        assert progress.splitlines()[-1] == f"read {count} of {counted(count, unit)}"
    content = json.loads(report.read_text())
    assert list(content) == EXPECTED_KEYS
    assert (content["problems"], content["images_decoded"]) == ([], count)
    assert lines[0].startswith(f"train: {content['splits']['train']['images']} {unit}")

    parts = CASES[name].damage(root)
    code, lines, _ = run(capsys, *words)
    assert code == 1
    content = json.loads(report.read_text())
    number = len(content["problems"])
    assert lines[:number] == content["problems"]
    assert f": {number} problem" in lines[-1]
    for part in parts:
        assert any(part in line for line in lines[:number]), (part, lines)


def test_the_summary_counts_objects(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["YOLO", *words_of(CASES["YOLO"].write(tmp_path))]
    code, lines, progress = run(capsys, *words)
    assert code == 0
    assert lines == [
        "train: 4 images, 3 objects, 0 crowd regions, 2 empty images",
        "  disc 1, egg 1, pebble 1",
        "val: 1 image, 1 object, 0 crowd regions, 0 empty images",
        "  egg 1, disc 0, pebble 0",
        "decoded 5 images: all is well.",
    ]
    assert progress.splitlines()[-1] == "read 5 of 5 images"


def test_many_classes_are_summed_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["CIFAR100", *words_of(CASES["CIFAR100"].write(tmp_path))]
    code, lines, _ = run(capsys, *words)
    assert code == 0
    assert lines[1] == "  100 classes, 98 of them absent; from class 0 1 to class 98 0"


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["ImageFolders"], "Did you mean 'ImageFolder'"),
        (["ImageFolder"], "ImageFolder needs --root VALUE"),
        (["ImageFolder", "--rot", "x"], "there is no option '--rot'. Did you mean 'root'"),
        (["ImageFolder", "--root"], "--root needs a value"),
        (["ImageFolder", "x"], "'x' is not an option"),
        (["ImageFolder", "--root", "x", "--image_size", "big"], "--image_size"),
        (["ImageFolder", "--root", "x", "--batch_size", "0"], "batch_size=0"),
        (["ImageFolder", "--root", "x", "--json"], "--json needs a path"),
        (["Digits", "--json=/dev/null/x.json"], "cannot be written"),
        ([], "usage:"),
        (["--root", "x"], "usage:"),
    ],
)
def test_a_wrong_command_is_told(
    words: list[str], part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, message = run(capsys, *words)
    assert code == 2
    assert part in message
    assert "Traceback" not in message


def test_help_lists_the_options_of_a_dataset(capsys: pytest.CaptureFixture[str]) -> None:
    code, lines, _ = run(capsys, "CIFAR10", "--help")
    assert code == 0
    assert any(line.startswith("  --padding int") for line in lines)
    code, lines, _ = run(capsys, "--help")
    assert code == 0
    assert any("ImageShards" in line for line in lines)


def test_a_folder_that_is_absent_is_a_problem(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("ImageFolder", "ImageNet", "CIFAR10", "ImageShards"):
        code, lines, _ = run(capsys, name, "--root", tmp_path / "absent")
        assert code == 1
        assert "absent" in lines[0]
        assert lines[-1].startswith("decoded 0 images: ")
