"""Forks processes that run scripts, after what they all import was imported once.

python fork_server.py: reads requests from its input, a JSON object a line, and answers each with a
line. `helpers/forked.py` is the other side. At the end of its input it kills what still runs.
"""

import atexit
import gc
import json
import os
import runpy
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

# What training, evaluation and their metrics import, much of it late.
import matplotlib.pyplot
import scipy.optimize
import torch.utils.tensorboard
import torchvision
from lightning.pytorch.utilities import rank_zero_only

import vision.cli.app

_ = (matplotlib, scipy, torch, torchvision, vision)
SECONDS_BETWEEN_LOOKS = 0.01


def start(script: str, argv: list[str], folder: str, environment: dict[str, str], log: str) -> int:
    """Run a script in a fork; returns its process number. In the fork it does not return.

    Args:
        script: Path of the script.
        argv: Its arguments.
        folder: Where it runs.
        environment: All of its variables.
        log: What it writes goes to the files `LOG.out` and `LOG.err`.
    """
    if process := os.fork():
        return process
    for descriptor, path, mode in (
        (0, os.devnull, "rb"),  # not the requests
        (1, f"{log}.out", "wb"),
        (2, f"{log}.err", "wb"),
    ):
        with Path(path).open(mode) as file:
            os.dup2(file.fileno(), descriptor)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    paths = [path for path in environment["PYTHONPATH"].split(os.pathsep) if path]
    sys.path[:0] = [str(Path(script).parent), *paths]
    sys.argv = [script, *argv]
    # Lightning has read it when it was imported.
    rank_zero_only.rank = int(environment.get("RANK", "0"))
    code = 1
    try:
        code = run(script)
        # What is to be done at the end, but not the seconds in which Python takes itself apart.
        threading._shutdown()
        atexit._run_exitfuncs()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def run(script: str) -> int:
    """Run a script as Python does; returns its exit code."""
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as stop:
        if stop.code is None or isinstance(stop.code, int):
            return stop.code or 0
        sys.stderr.write(f"{stop.code}\n")
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def wait(processes: list[int], seconds: float, codes: dict[int, int]) -> list[int]:
    """Exit codes of processes, negative where a signal has ended one.

    Processes wait for each other: where one fails, or the time is over, the others are killed.

    Args:
        processes: Their numbers.
        seconds: How long to wait.
        codes: Of the processes that have ended; those that end are added.
    """
    end = time.monotonic() + seconds
    while running := [process for process in processes if process not in codes]:
        for process in running:
            found, status = os.waitpid(process, os.WNOHANG)
            if found:
                codes[process] = os.waitstatus_to_exitcode(status)
        failed = any(codes.get(process) for process in processes)
        if failed or time.monotonic() > end:
            for process in processes:
                if process not in codes:
                    os.kill(process, signal.SIGKILL)
                    codes[process] = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        time.sleep(SECONDS_BETWEEN_LOOKS)
    return [codes[process] for process in processes]


def serve() -> None:
    """Answer requests until there are no more."""
    gc.freeze()  # forks share what was imported
    started: list[int] = []
    codes: dict[int, int] = {}
    for line in sys.stdin:
        request: dict[str, Any] = json.loads(line)
        if "script" in request:
            answer: Any = start(**request)
            started.append(answer)
        else:
            answer = wait(**request, codes=codes)
        sys.stdout.write(f"{json.dumps(answer)}\n")
        sys.stdout.flush()
    for process in started:
        if process not in codes:
            os.kill(process, signal.SIGKILL)


if __name__ == "__main__":
    serve()
