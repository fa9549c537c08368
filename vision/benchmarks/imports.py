"""Start-up: imports over torch's own, help, a misspelt option, a training's first line and step."""

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

from vision.benchmarks.timing import print_versions

QUICKSTART = "classification/digits/convnext_linear"
# A command that ends with the first step of its optimiser.
_TO_FIRST_STEP = """
import os, sys
from torch.optim.optimizer import register_optimizer_step_post_hook
from vision.cli.main import main
register_optimizer_step_post_hook(lambda *step: os._exit(0))
main(sys.argv[1:])
"""


def measure_imports(*, rounds: int) -> None:
    """Print the median wall and CPU time of new processes.

    Args:
        rounds: Processes of each kind.
    """
    print_versions()
    program = ["-m", "vision"]
    fit = [*program, "fit", "--config", QUICKSTART]
    commands = {
        "import torch": ["-c", "import torch"],
        "import torch, lightning.pytorch": ["-c", "import torch, lightning.pytorch"],
        "import vision": ["-c", "import torch, vision"],
        "import vision, create a backbone": [
            "-c",
            "import torch, vision; vision.create_backbone('convnext', dims=(8,)*4, depths=(1,)*4)",
        ],
        "vision --help": [*program, "--help"],
        "vision fit --help": [*program, "fit", "--help"],
        "vision fit --help all": [*program, "fit", "--help", "all"],
        "vision fit, a misspelt option": [*fit, "--trainer.max_epoch", "3"],
    }
    for label, command in commands.items():
        _print(label, [_run(command) for _ in range(rounds)])
    _print("vision fit, to its first line", [_first_line(fit) for _ in range(rounds)])
    with tempfile.TemporaryDirectory() as folder:
        training = ["-c", _TO_FIRST_STEP, *fit[len(program) :], "--runs_dir", folder]
        _print("vision fit, to its first step", [_run(training) for _ in range(rounds)])


def _run(command: Sequence[str]) -> tuple[float, float]:
    """Wall and CPU time of a process in seconds."""
    before, start = _cpu_s(), time.perf_counter()
    subprocess.run([sys.executable, *command], check=False, capture_output=True)
    return time.perf_counter() - start, _cpu_s() - before


def _first_line(command: Sequence[str]) -> tuple[float, float]:
    """The same until a process writes its first line, which then is killed."""
    before, start = _cpu_s(), time.perf_counter()
    with subprocess.Popen(
        [sys.executable, *command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None, "it is a pipe"
        process.stdout.readline()
        seconds = time.perf_counter() - start
        process.kill()
        process.wait()
    return seconds, _cpu_s() - before


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _print(label: str, times: Sequence[tuple[float, float]]) -> None:
    wall, cpu = (statistics.median(column) for column in zip(*times, strict=True))
    print(f"{label:44} {wall:8.2f} s, {cpu:8.2f} s of CPU  (median of {len(times)})")
