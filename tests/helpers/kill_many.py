"""Kill a training at random moments and resume it: it must end with the bits of one that was not.

    python tests/helpers/kill_many.py --kills 20

The run has data workers, mixing, averaged weights, accumulated gradients, dropout and drop path,
and writes a checkpoint after each optimiser step. Each time a process of its own trains until
SIGKILL meets it a random time after a random step has begun, the first excepted: in a step, a
validation, or the writing of a checkpoint.
Another process resumes; weights, averages, moments, schedule and the record of metrics are then
compared bit for bit. Every kill prints a line; the exit code is 1 if one run ends differently.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from helpers.resumed_run import STEPS, write_resumed_run  # noqa: E402
from helpers.train_runs import assert_same_end, read_state, run_here  # noqa: E402
from lightning.pytorch import Callback, Trainer  # noqa: E402

import vision.cli.app  # noqa: E402,F401  # once, for all the processes to come


class KillAfter(Callback):
    """Sends SIGKILL to its process some time after a step has begun.

    Args:
        step: Number of optimiser steps before that one.
        seconds: How long after its begin.
    """

    def __init__(self, step: int, seconds: float) -> None:
        self.step, self.seconds = step, seconds

    def on_train_batch_start(self, trainer: Trainer, *_: Any) -> None:
        if trainer.global_step == self.step:
            kill = threading.Timer(self.seconds, os.kill, (os.getpid(), signal.SIGKILL))
            kill.daemon = True
            kill.start()


def in_another_process(run: Callable[[], int]) -> int:
    """What a function returns that runs in a fork; the negative signal that has ended it."""
    sys.stdout.flush()
    process = os.fork()
    if process == 0:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        os._exit(run())
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def fit(folder: Path, runs: str, *more: str) -> int:
    """Train in another process."""
    words = ["fit", "--config", "config.yaml", "--runs_dir", runs, *more]
    return in_another_process(lambda: run_here(folder, *words))


def run_of(folder: Path, runs: str) -> Path:
    """The newest run of a folder of runs."""
    return max((folder / runs / "run").iterdir())


def kill_and_resume(folder: Path, runs: str, *, step: int, seconds: float) -> int | None:
    """Kill a run some time after a step has begun, resume it, and compare.

    Returns:
        The step that it was resumed from; None if it had come to its end before.

    Raises:
        AssertionError: It does not end as a run that was not killed.
    """
    options = json.dumps({"step": step, "seconds": seconds})
    callback = f"[{{class_path: helpers.kill_many.KillAfter, init_args: {options}}}]"
    ended = fit(folder, runs, "--trainer.callbacks", callback)
    if ended == 0:
        return None
    assert ended == -signal.SIGKILL, f"it ended with {ended}"
    resumed = int(read_state(run_of(folder, runs))["global_step"])
    assert fit(folder, runs, "--ckpt_path", "last") == 0, "it cannot be resumed"
    assert_same_end(run_of(folder, runs), run_of(folder, "whole"), steps=STEPS)
    return resumed


def kill(folder: Path, *, kills: int, seed: int) -> int:
    """Kill and resume so many runs, with a line for each; the number that ended differently."""
    begin = time.perf_counter()
    assert fit(folder, "whole") == 0
    longest = (time.perf_counter() - begin) / STEPS
    moments, done, failed, tries = random.Random(seed), 0, 0, 0
    while done < kills:
        # After the first step, whose checkpoint is there to resume from.
        step, seconds, tries = moments.randrange(1, STEPS), moments.uniform(0, longest), tries + 1
        try:
            resumed = kill_and_resume(folder, f"run_{tries}", step=step, seconds=seconds)
            outcome = f"resumed from step {resumed} of {STEPS}: same bits"
        except AssertionError as error:
            resumed, failed, outcome = step, failed + 1, f"FAILED: {error}"
        if resumed is not None:
            done += 1
            say(f"{done}: killed {seconds:.3f} s after the begin of step {step}, {outcome}")
    return failed


def main() -> int:
    """Kill as many runs as asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20, help="number of runs that are killed")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = write_resumed_run(Path(name))
        failed = kill(folder, kills=options.kills, seed=options.seed)
    say(f"{options.kills} runs were killed; {failed} of them ended differently")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
