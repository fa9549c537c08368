"""On what a run was made: versions, hardware, command, seed, and how long it took."""

import importlib.metadata
import json
import logging
import os
import platform
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities.exceptions import SIGTERMException

from vision.callbacks.files import replace_file
from vision.version import __version__

logger = logging.getLogger(__name__)

FILE_NAME = "env.json"
PACKAGES = ("torchvision", "lightning", "timm", "numpy")
GIB = 2**30
# A repository on a slow disk does not hold up a run.
GIT_S = 5.0


class Environment(Callback):
    """Writes `env.json` when a training starts, and completes it when it ends.

    The file holds a list, `"starts"`: a run that is resumed adds an entry to it. An entry that was
    not completed, with `"status": "running"`, is of a process that was killed. Neither the name of
    the user nor that of the machine is written, nor any environment variable.

    Args:
        folder: Folder of the run.
        command: The command line, as a list of words.
    """

    def __init__(self, folder: Path | str, *, command: Sequence[str]) -> None:
        self.path = Path(folder) / FILE_NAME
        self.command = list(command)
        self._before: list[Any] = []
        self._entry: dict[str, Any] = {}
        self._start_s = 0.0

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write what is known at the start, on the first process."""
        if not trainer.is_global_zero:
            return
        self._start_s = time.perf_counter()
        self._before = _read_starts(self.path)
        self._entry = {
            "status": "running",
            "command": shlex.join(self.command),
            "directory": os.getcwd(),
            # That of the code; or, where the suite is installed, that of who uses it.
            "git": describe_repository(Path(__file__).parent) or describe_repository(Path.cwd()),
            "start": _now(),
            "end": None,
            "seconds": None,
            "seed": torch.initial_seed(),
            "processes": trainer.world_size,
            "precision": str(trainer.precision),
            "device": str(trainer.strategy.root_device),
            "versions": list_versions(),
            "hardware": describe_hardware(),
        }
        self._write()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note where a resumed run goes on."""
        if self._entry:
            self._entry["first_step"] = trainer.global_step

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Complete the entry of a run that has come to its end, or that was interrupted."""
        self._complete(trainer, "interrupted" if trainer.interrupted else "finished")

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Complete the entry of a run that was stopped or has failed."""
        stopped = isinstance(exception, KeyboardInterrupt | SIGTERMException)
        self._complete(trainer, "interrupted" if stopped else f"failed: {type(exception).__name__}")

    def _complete(self, trainer: Trainer, status: str) -> None:
        if self._entry.get("end", "") is not None:  # never begun, or completed already
            return
        seconds = round(time.perf_counter() - self._start_s, 3)
        done = {"status": status, "end": _now(), "seconds": seconds}
        self._entry |= {**done, "last_step": trainer.global_step}
        if trainer.strategy.root_device.type == "cuda":
            peak = torch.cuda.max_memory_allocated(trainer.strategy.root_device)
            self._entry["peak_gpu_memory_gib"] = round(peak / GIB, 3)
        self._write()

    def _write(self) -> None:
        text = json.dumps({"starts": [*self._before, self._entry]}, indent=2) + "\n"
        try:
            replace_file(self.path, lambda path: path.write_text(text, encoding="utf-8"))
        except OSError as error:
            logger.warning("%s cannot be written: %s", self.path, error)


def list_versions() -> dict[str, str | None]:
    """Version of the suite, of Python and of what it is built on; None for what is absent."""
    versions: dict[str, str | None] = {
        "vision": __version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
    }
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    cudnn = torch.backends.cudnn.version() if torch.backends.cudnn.is_available() else None
    return {
        **versions,
        "cuda": torch.version.cuda,
        "cudnn": None if cudnn is None else str(cudnn),
        "system": platform.platform(),
    }


def describe_hardware() -> dict[str, Any]:
    """Processor, cores that this process may use, memory in GiB, GPUs and their driver."""
    gpus = []
    for number in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        found = torch.cuda.get_device_properties(number)
        gpus.append({"name": found.name, "memory_gib": round(found.total_memory / GIB, 1)})
    owned = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else ()
    memory = None
    with suppress(ValueError, OSError, AttributeError):  # not on every system
        memory = round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / GIB, 1)
    return {
        "cpu": _cpu_name(),
        "cores": len(owned) or os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_gib": memory,
        "gpus": gpus,
        "driver": _gpu_driver() if gpus else None,
    }


def describe_repository(folder: Path) -> dict[str, Any] | None:
    """Commit of the git repository that a folder is in, and whether its files were changed.

    Returns:
        None where there is no repository, no commit yet, or no git.
    """
    commit = _run("git", "-C", str(folder), "rev-parse", "HEAD")
    if commit is None:
        return None
    changed = _run("git", "-C", str(folder), "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "dirty": None if changed is None else bool(changed)}


def _run(*command: str) -> str | None:
    """What a program prints; None if it fails, is absent or takes too long."""
    # Looking at a repository must not wait for another's lock on it.
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=GIT_S, env=environment, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _cpu_name() -> str:
    with suppress(OSError):
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.M)
        if found:
            return found[1].strip()
    return platform.processor() or platform.machine()


def _gpu_driver() -> str | None:
    with suppress(OSError):
        text = Path("/proc/driver/nvidia/version").read_text()
        found = re.search(r"Kernel Module\D+([\d.]+)", text)
        if found:
            return found[1]
    shown = _run("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")
    return shown.splitlines()[0] if shown else None


def _read_starts(path: Path) -> list[Any]:
    """The entries of a file, which is put aside if it is damaged."""
    if not path.is_file():
        return []
    try:
        return list(json.loads(path.read_text(encoding="utf-8"))["starts"])
    except (OSError, ValueError, LookupError, TypeError):
        aside = path.with_name(f"env_damaged_{int(time.time())}.json")
        logger.warning("%s is damaged; it is kept as %s.", path, aside.name)
        with suppress(OSError):
            os.replace(path, aside)
        return []


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def command_of(program: str, *arguments: str) -> list[str]:
    """The words of a command line that runs a Python program again."""
    return [Path(sys.executable).name, program, *arguments]
