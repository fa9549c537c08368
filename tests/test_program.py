"""Commands in messages have the form in which the person called the suite."""

import shutil
import sys
from pathlib import Path

import pytest

from vision.program import command, command_words, this_command, with_commands

ROOT = Path(__file__).parents[1]


@pytest.fixture
def called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An activated environment in a folder: `python` and `vision` are found in its `bin`."""
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    for name in ("python", "vision"):
        (bin_folder / name).write_text("#!/bin/sh\n")
        (bin_folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(bin_folder))
    monkeypatch.setattr(sys, "executable", str(bin_folder / "python"))
    return monkeypatch


@pytest.mark.parametrize(
    ("program", "fit", "check", "predict"),
    [
        ("train.py", "python train.py fit", "python tools/check_dataset.py", "python train.py"),
        (
            "tools/demo.py",
            "python train.py fit",
            "python tools/check_dataset.py",
            "python train.py",
        ),
        ("bin/vision", "vision fit", "vision check-dataset", "vision"),
        (
            "vision/__main__.py",
            "python -m vision fit",
            "python -m vision check-dataset",
            "python -m vision",
        ),
        ("a_notebook.py", "vision fit", "vision check-dataset", "vision"),
    ],
)
def test_a_command_is_shown_as_it_was_called(
    called: pytest.MonkeyPatch, tmp_path: Path, program: str, fit: str, check: str, predict: str
) -> None:
    called.chdir(tmp_path if program.startswith("bin") else ROOT)
    called.setattr(sys, "argv", [program, "x"])
    assert command("fit") == fit
    assert command("check-dataset") == check
    assert command("predict", trained=True) == f"{predict} predict"
    assert command() == predict


def test_the_scripts_and_the_interpreter_are_named_by_their_paths(
    called: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    called.chdir(tmp_path)
    called.setenv("PATH", "")
    called.setattr(sys, "argv", [str(ROOT / "train.py")])
    assert command_words("export") == ["bin/python", str(ROOT / "tools/export.py")]
    called.setattr(sys, "argv", [str(tmp_path / "bin/vision")])
    assert command_words("export") == ["bin/vision", "export"]
    called.setattr(sys, "argv", ["-c"])  # the module is found wherever the package is
    assert command_words("export") == ["bin/python", "-m", "vision", "export"]


def test_a_script_of_the_same_name_is_not_ours(called: pytest.MonkeyPatch, tmp_path: Path) -> None:
    called.chdir(tmp_path)
    for name in ("train.py", "tools/export.py", "vision.py"):
        called.setattr(sys, "argv", [name])
        assert command("fit") == "vision fit"
    (tmp_path / "linked.py").symlink_to(ROOT / "train.py")
    called.setattr(sys, "argv", ["linked.py"])
    assert command_words("fit") == ["python", str(ROOT / "train.py"), "fit"]


def test_this_command_is_what_was_typed(called: pytest.MonkeyPatch) -> None:
    called.chdir(ROOT)
    called.setattr(sys, "argv", ["tools/check_dataset.py", "COCO"])
    assert this_command() == ["python", "tools/check_dataset.py", "COCO"]
    called.setattr(sys, "argv", [shutil.which("vision"), "check-dataset", "COCO"])
    assert this_command() == ["vision", "check-dataset", "COCO"]


def test_commands_in_a_text_are_replaced_and_words_are_not(called: pytest.MonkeyPatch) -> None:
    called.chdir(ROOT)
    called.setattr(sys, "argv", ["train.py"])
    text = (
        "vision models:\n    vision export RUN \\\n        --format onnx\n"
        "`vision predict --config F`"
    )
    assert with_commands(text).splitlines() == [
        "vision models:",
        "    python tools/export.py RUN \\",
        "        --format onnx",
        "`python train.py predict --config F`",
    ]
