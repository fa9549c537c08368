"""Lines that fit, and commands that a shell reads as before."""

import shlex

import pytest

from vision.line_width import UNLIMITED, break_command, break_parts, fit_text, line_width

COMMAND = (
    "python train.py fit --config runs/digits/version_0/config.yaml --name digits_swin "
    "--model.backbone swin --model.backbone_options "
    "'{dim: 48, depths: [2, 2], num_heads: [3, 6], window_size: 4}'"
)


@pytest.mark.parametrize("width", [80, 100, 120, UNLIMITED])
def test_a_broken_command_is_the_same_command(width: int) -> None:
    lines = break_command(COMMAND, width)
    assert all(len(line) <= width for line in lines if " " in line.strip(" \\"))
    assert (len(lines) == 1) == (len(COMMAND) <= width)
    text = "\n".join(lines)
    assert shlex.split(text.replace("\\\n", " ")) == shlex.split(COMMAND)


@pytest.mark.parametrize("width", [20, 80])
def test_parts_are_broken_between(width: int) -> None:
    parts = ["epoch 1/10", "loss 0.1234", "lr 1.0e-03", "val/top1 0.9"]
    lines = break_parts(parts, width)
    assert all(len(line) <= width for line in lines)
    assert "  ".join(line.strip() for line in lines) == "  ".join(parts)


def test_a_file_has_no_width_unless_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert line_width() == UNLIMITED
    monkeypatch.setenv("COLUMNS", "100")
    assert line_width() == 100


def test_a_text_fits_and_keeps_its_commands() -> None:
    text = "A sentence that is longer than the width of forty columns.\nAnd one more.\n\n"
    text += (
        "    vision fit --config a.yaml \\\n        --name of_a_run --epochs 5\n    vision fit\n"
    )
    lines = fit_text(text, 40).splitlines()
    assert max(map(len, lines)) <= 40
    prose, commands = fit_text(text, 40).split("\n\n")
    assert " ".join(prose.split()) == " ".join(text.partition("\n\n")[0].split())
    joined = commands.replace("\\\n", " ").splitlines()
    expected = ["vision fit --config a.yaml --name of_a_run --epochs 5", "vision fit"]
    assert [" ".join(line.split()) for line in joined] == expected
