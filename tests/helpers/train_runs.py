"""Commands of train.py for tests: in this process, in one that is killed, and in two at once."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from subprocess import PIPE, CompletedProcess, Popen, TimeoutExpired
from typing import Any

import pytest
import torch
from helpers.forked import MAX_SECONDS, Forked, start_forked
from helpers.undrawn import undrawn

from vision.cli.main import main

ROOT = Path(__file__).parents[2]


def run_here(folder: Path, *argv: str) -> int:
    """Run a command in this process, in a folder, its figures undrawn; returns the exit code."""
    with undrawn(), pytest.MonkeyPatch.context() as context:
        context.chdir(folder)
        context.setattr(sys, "argv", [str(ROOT / "train.py"), *argv])
        return main(argv)


def start_and_end(folder: Path, step: int, sent: str, *argv: str) -> Forked:
    """Start `fit` in a process of its own, which gets a signal after some optimiser steps."""
    return start_forked(ROOT / "train.py", *argv, *killed_at(step, sent=sent), folder=folder)


def killed_at(step: int, **options: Any) -> list[str]:
    """Options of `fit` by which the process gets a signal after some optimiser steps."""
    callback = {"class_path": "helpers.kill_run.KillAt", "init_args": {"step": step, **options}}
    return ["--trainer.callbacks", json.dumps([callback])]


def start_in_two(folder: Path, *commands: list[str], script: str = "run_commands.py") -> Forked:
    """Start two processes, as torchrun does, which run commands one after the other.

    Args:
        folder: Where they run.
        commands: Those of train.py, or of the program that the script runs.
        script: Its name, in the folder of the helpers.
    """
    words = _write_commands(folder, commands)
    return start_forked(ROOT / "tests" / "helpers" / script, *words, folder=folder, ranks=2)


def torchrun_two(folder: Path, *commands: list[str]) -> CompletedProcess[str]:
    """Run commands of train.py by torchrun itself in two processes, and wait for their success."""
    words = _write_commands(folder, commands)
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    own = {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}", "OMP_NUM_THREADS": "1"}
    argv = [sys.executable, *torchrun, str(ROOT / "tests" / "helpers" / "run_commands.py"), *words]
    with Popen(
        argv, cwd=folder, env={**os.environ, **own}, stdout=PIPE, stderr=PIPE, text=True
    ) as process:
        try:
            shown, errors = process.communicate(timeout=MAX_SECONDS)
        except TimeoutExpired:
            process.terminate()  # torchrun then ends its processes
            raise
    assert process.returncode == 0, shown + errors
    return CompletedProcess(argv, process.returncode, shown, errors)


def succeed(processes: Forked) -> list[CompletedProcess[str]]:
    """Wait for the end of processes, each of which must be a success."""
    ends = processes.wait()
    for done in ends:
        assert done.returncode == 0, done.stdout + done.stderr
    return ends


def read_json(path: Path) -> Any:
    """What a JSON file holds."""
    return json.loads(path.read_text())


def contents(folder: Path) -> dict[str, bytes]:
    """The files below a folder by their paths in it."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def read_state(run: Path, name: str = "last") -> dict[str, Any]:
    """A checkpoint of a run's folder."""
    return torch.load(run / "checkpoints" / f"{name}.ckpt", weights_only=True)


def assert_same_end(run: Path, expected: Path, *, steps: int) -> None:
    """Two runs have the same weights, averages, moments and schedule, and the same record."""
    ours, theirs = read_state(run), read_state(expected)
    assert ours["global_step"] == theirs["global_step"] == steps
    for key in ("state_dict", "ema_state_dict", "ema", "optimizer_states", "lr_schedulers"):
        torch.testing.assert_close(ours[key], theirs[key], rtol=0, atol=0)
    # One continuous record, as if the run had never stopped.
    lines = [(folder / "metrics.csv").read_text().splitlines() for folder in (run, expected)]
    assert lines[0] == lines[1]
    assert [path.name for path in run.parent.iterdir()] == [run.name]


def _write_commands(folder: Path, commands: Sequence[list[str]]) -> list[str]:
    """Write what the script is to run; its arguments."""
    (folder / "commands.json").write_text(json.dumps(commands))
    return ["commands.json"]
