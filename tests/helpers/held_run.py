"""Another process that holds the folder of a run, for the tests of its lock."""

import os
import signal
from pathlib import Path

from vision.cli.run_lock import hold_run


def hold_elsewhere(folder: Path, *, worker: bool = False) -> int:
    """Start a process that holds the folder of a run, with one of its own if asked; its number."""
    ready, tell = os.pipe()
    holder = os.fork()
    if holder == 0:
        os.setpgid(0, 0)
        with hold_run(folder):
            if not worker or os.fork() == 0:
                os.write(tell, b"1")
            while True:
                signal.pause()
    os.read(ready, 1)
    os.close(ready)
    os.close(tell)
    return holder


def end_process(process: int) -> None:
    """Kill a process that `hold_elsewhere` has started."""
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
