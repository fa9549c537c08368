"""The table of commands, and how `vision` is called."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from vision.cli.commands.table import COMMANDS
from vision.cli.main import OTHER_NAMES, main

ROOT = Path(__file__).parents[2]
# What needs PyTorch to know its own options.
SLOW_HELP = {"benchmark", "make-samples", "check-dataset"}


def test_the_table_imports_nothing_and_names_functions_that_exist() -> None:
    path = ROOT / "vision/cli/commands/table.py"
    tree = ast.parse(path.read_text())
    imported = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert [node.module for node in imported if isinstance(node, ast.ImportFrom)] == ["typing"]
    assert len(imported) == 1
    for row in COMMANDS.values():
        module, _, function = row.run.partition(":")
        tree = ast.parse((ROOT / f"{module.replace('.', '/')}.py").read_text())
        assert function in {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}


def test_a_script_of_a_clone_runs_the_function_of_its_command() -> None:
    scripts = {path.stem: path.read_text() for path in (ROOT / "tools").glob("*.py")}
    for name, text in scripts.items():
        row = COMMANDS[name.replace("_", "-")]
        assert row.run == f"vision.cli.commands.{name}:main"
        assert f"from vision.cli.commands.{name} import main\n" in text
        assert len(ast.parse(text).body) == 4  # docstring, two imports, the call
    assert len(scripts) >= 13


def test_help_lists_every_command_in_lines_that_fit(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["vision"])
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 90
    for name, row in COMMANDS.items():
        (line,) = [line for line in lines if line.split()[:1] == [name]]
        assert line.endswith(row.help)


@pytest.fixture(scope="module")
def helped() -> dict[str, str]:
    """The help of each command, from one process without PyTorch."""
    names = [name for name in COMMANDS if name not in SLOW_HELP]
    code = f"""
import sys
from vision.cli.main import main
for name in {names}:
    print("+++", name)
    sys.argv = ["vision", name, "--help"]
    assert main() == 0, name
print("+++", [name for name in ("torch", "lightning", "matplotlib") if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=True,
    )
    pages = done.stdout.split("+++ ")[1:]
    return dict(page.split("\n", 1) for page in pages)


def test_the_help_of_a_command_waits_for_nothing_heavy(helped: dict[str, str]) -> None:
    assert [*helped][-1] == "[]"
    assert len(helped) == len(COMMANDS) - len(SLOW_HELP) + 1


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in SLOW_HELP])
def test_help_names_the_command_as_it_was_called(helped: dict[str, str], name: str) -> None:
    assert helped[name].startswith(f"usage: vision {name} ")
    # An installed package has no file of the clone beside its configs.
    for absent in (".py ", "train.py", "tools/", "docs/", "configs/"):
        assert absent not in helped[name]


def test_help_of_predict_says_both_ways(helped: dict[str, str]) -> None:
    assert "vision predict runs/NAME/version_0 " in helped["predict"]
    assert "vision predict --config RUN/config.yaml" in helped["predict"]
    assert "--threshold" in helped["predict"]


@pytest.mark.parametrize(
    ("given", "meant"),
    [*OTHER_NAMES.items(), ("tset", "test"), ("exprot", "export"), ("check_datasets", "check-")],
)
def test_a_wrong_command_gets_the_nearest(
    given: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([given]) == 2
    assert f"there is no command '{given}'. Did you mean '{meant}" in capsys.readouterr().err


def test_underscores_are_dashes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare_imagenet"]) == 2
    assert "--root" in capsys.readouterr().err
