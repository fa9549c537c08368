"""What commands print fits 80, 100 and 120 columns."""

from importlib import import_module
from pathlib import Path

import pytest

from vision.cli.commands.table import COMMANDS
from vision.cli.export_files import replaced_export
from vision.cli.help_screens import command_help
from vision.cli.image_lines import ImageLines

TRAINING = ("fit", "validate", "test")
# Its parser imports what it measures; that of check-dataset is that of the dataset.
WITHOUT_PARSER = ("benchmark", "check-dataset")


@pytest.fixture(params=[80, 100, 120])
def width(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """The width of the terminal, for a command that was called as `vision`."""
    monkeypatch.setenv("COLUMNS", str(request.param))
    monkeypatch.setattr("sys.argv", ["vision"])
    return request.param


def widest(text: str) -> int:
    return max(map(len, text.splitlines()))


def test_help(width: int) -> None:
    for name, row in COMMANDS.items():
        if name in TRAINING:
            assert widest(command_help(name, row.help)) <= width
        elif name not in WITHOUT_PARSER:
            parser = import_module(row.run.partition(":")[0]).build_parser()
            assert widest(parser.format_help()) <= width, name


def test_lines_of_results(width: int, tmp_path: Path) -> None:
    lines: list[str] = []
    show = ImageLines(lines.append)
    words = ", ".join(f"{number} {number}_of_a_kind" for number in range(50))
    result = type("Found", (), {"in_words": lambda _: words, "labels_found": lambda _: [words]})
    show("a.png", result())
    assert widest("\n".join([*lines, show.summary() or ""])) == width
    out = tmp_path / "model.onnx"
    out.touch()
    short = [line for line in replaced_export(out, "x") if str(tmp_path) not in line]
    assert short
    assert all(len(line) <= width for line in short)
