"""What the shell gets at a press of the key, asked for as the scripts of argcomplete ask."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("argcomplete")
ROOT = Path(__file__).parents[2]


def completed(folder: Path, line: str) -> list[str]:
    """The completions of a line whose end is the cursor."""
    out = folder / "out"
    code = "import sys; from vision.cli.main import main; sys.argv[0] = 'vision'; main()"
    environment = {
        **os.environ,
        **{"_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": "\n", "_ARGCOMPLETE_STDOUT_FILENAME": str(out)},
        **{"COMP_LINE": line, "COMP_POINT": str(len(line)), "PYTHONPATH": str(ROOT)},
    }
    subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, check=True, timeout=60
    )
    return [word.strip() for word in out.read_text().split("\n")]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("vision ev", ["evaluate"]),
        ("vision che", ["check-dataset"]),
        ("vision evaluate co", ["coco"]),
        ("vision evaluate coco --ann", ["--annotations"]),
        ("vision export m.ckpt --forma", ["--format"]),
        ("vision predict m.ckpt photos --thr", ["--threshold"]),
        ("vision predict --config digits/convnext_linear --ckpt_p", ["--ckpt_path"]),
        ("vision fit --config coco/swin_tiny_mask", None),
        ("vision fit --model.optim.lr_sch", ["--model.optim.lr_schedule"]),
        ("vision fit --config digits/convnext_linear --data.val_f", []),
        ("vision fit --data ImageFolder --data.val_f", ["--data.val_fraction"]),
        ("vision fit --data ImageF", ["ImageFolder"]),
        ("vision check-dataset COCO --train_ann", ["--train_annotations"]),
        ("vision configs --js", ["--json"]),
    ],
)
def test_what_is_typed_is_completed(tmp_path: Path, line: str, expected: list[str] | None) -> None:
    found = completed(tmp_path, line)
    if expected is None:
        names = [f"coco/swin_tiny_mask_rcnn_{times}" for times in ("1x", "3x")]
        assert found == names
    else:
        assert found == (expected or [""])


def test_every_command_is_offered_with_a_script_of_each_shell(tmp_path: Path) -> None:
    from argcomplete.shell_integration import shellcode

    from vision.cli.commands.table import COMMANDS

    assert set(completed(tmp_path, "vision ")) >= set(COMMANDS)
    for shell in ("bash", "zsh", "fish"):
        assert "vision" in shellcode(["vision"], shell=shell)
