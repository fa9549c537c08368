"""Scripts in processes of their own, without the seconds that importing PyTorch takes each.

A server (`helpers/fork_server.py`) imports once and forks: what ran in this process is not in them.
For what a process does, not for how it starts, what it imports or how much memory it takes.
"""

import json
import os
import socket
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from subprocess import PIPE, CompletedProcess, Popen
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

TESTS = Path(__file__).parents[1]
# Processes that wait for each other would do so for ever.
MAX_SECONDS = 200


class Forked:
    """Processes that were started together, and end together if one of them fails.

    Args:
        processes: Their numbers.
        logs: For each, the path of what it writes, less `.out` and `.err`.
        args: What was started.
    """

    def __init__(self, processes: list[int], logs: list[Path], args: Sequence[str]) -> None:
        self.processes = processes
        self.logs = logs
        self.args = args

    def wait(self, seconds: float = MAX_SECONDS) -> list["CompletedProcess[str]"]:
        """Wait for the end of each; a negative code is the signal that has ended it."""
        codes = _ask({"processes": self.processes, "seconds": seconds})
        return [
            CompletedProcess(self.args, code, *(_read(log, name) for name in ("out", "err")))
            for code, log in zip(codes, self.logs, strict=True)
        ]


def start_forked(
    script: Path, *argv: str, folder: Path, ranks: int = 1, **variables: str
) -> Forked:
    """Start a script in one process, or in several that find each other as torchrun's do.

    Args:
        script: Path of the script.
        argv: Its arguments.
        folder: Where it runs.
        ranks: Number of processes.
        variables: Of the environment, besides those of this process.
    """
    paths = [str(TESTS.parent), str(TESTS), os.environ.get("PYTHONPATH", "")]
    own = {"PYTHONPATH": os.pathsep.join(paths), **variables}
    meeting = _meeting(ranks) if ranks > 1 else {}
    logs = [Path(mkdtemp(dir=_logs().name)) / "log" for _ in range(ranks)]
    processes = []
    for rank, log in enumerate(logs):
        place = {"RANK": str(rank), "LOCAL_RANK": str(rank)} if meeting else {}
        request = {
            "script": str(script),
            "argv": list(argv),
            "folder": str(folder),
            "environment": {**os.environ, **own, **meeting, **place},
            "log": str(log),
        }
        processes.append(_ask(request))
    return Forked(processes, logs, [str(script), *argv])


def run_forked(script: Path, *argv: str, folder: Path, **variables: str) -> "CompletedProcess[str]":
    """Run a script in a process of its own and wait for its end."""
    return start_forked(script, *argv, folder=folder, **variables).wait()[0]


def _meeting(ranks: int) -> dict[str, str]:
    """What torchrun tells its processes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return {
        "WORLD_SIZE": str(ranks),
        "LOCAL_WORLD_SIZE": str(ranks),
        "GROUP_RANK": "0",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "TORCHELASTIC_RUN_ID": "tests",
    }


def _read(log: Path, suffix: str) -> str:
    return Path(f"{log}.{suffix}").read_text()


@cache
def _logs() -> "TemporaryDirectory[str]":
    """The folder of what processes write; it goes with this process."""
    return TemporaryDirectory(prefix="forked_")


@cache
def _server() -> Popen[str]:
    """The one of this process; it ends when its input does, which is at the end of this process."""
    command = [sys.executable, str(TESTS / "helpers" / "fork_server.py")]
    paths = [str(TESTS.parent), str(TESTS), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)}
    return Popen(command, stdin=PIPE, stdout=PIPE, env=environment, text=True, cwd=TESTS.parent)


def _ask(request: dict[str, Any]) -> Any:
    server = _server()
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(json.dumps(request) + "\n")
    server.stdin.flush()
    answer = server.stdout.readline()
    assert answer, "the server of forks has ended"
    return json.loads(answer)
