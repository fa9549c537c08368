"""Record the environment of a run: versions, hardware, command, seed, and duration."""

import logging
import os
import platform
import shlex
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities.exceptions import SIGTERMException

from vision.decoration import decorative
from vision.documents.json_text import read_json
from vision.documents.json_writing import to_json
from vision.errors import DataError
from vision.files import write_text
from vision.machine import GIB, describe_hardware, describe_repository, list_versions

logger = logging.getLogger(__name__)

FILE_NAME = "env.json"
PACKAGES = ("torch", "torchvision", "lightning", "timm", "numpy")


@decorative(f"the file {FILE_NAME}")
class Environment(Callback):
    """Writes `env.json` when a training starts, and completes it when it ends.

    The file holds a list, `"starts"`: a run that is resumed adds an entry to it. An entry that was
    not completed, with `"status": "running"`, belongs to a killed process. `"seconds"` is the time
    from the first step to the last, with the validations between them. Names of the user and
    the machine, and environment variables, are not written.

    Args:
        folder: Folder of the run.
        command: The command line, as a list of words.
    """

    def __init__(self, folder: Path | str, *, command: Sequence[str]) -> None:
        self.path = Path(folder) / FILE_NAME
        self.command = list(command)
        self._before: list[Any] = []
        self._entry: dict[str, Any] = {}
        self._start_s: float | None = None
        self._seconds = 0.0

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the entry at the start, on the first process."""
        if not trainer.is_global_zero:
            return
        self._start_s, self._seconds = None, 0.0
        self._before = _read_starts(self.path)
        self._entry = {
            "status": "running",
            "command": shlex.join(self.command),
            "directory": os.getcwd(),
            # The suite's repository; if it is installed without one, the user's.
            "git": describe_repository(Path(__file__).parent) or describe_repository(Path.cwd()),
            "start": _now(),
            "end": None,
            "seconds": None,
            "seed": torch.initial_seed(),
            "processes": trainer.world_size,
            "precision": str(trainer.precision),
            "device": str(trainer.strategy.root_device),
            "versions": _versions(),
            "hardware": describe_hardware(),
        }
        self._write()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock; record the step at which a resumed run continues."""
        self._start_s = time.perf_counter()
        if self._entry:
            self._entry["first_step"] = trainer.global_step

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop the clock."""
        self._stop_clock()

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Complete the entry of a run that has finished or was interrupted."""
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
        self._stop_clock()
        done = {"status": status, "end": _now(), "seconds": round(self._seconds, 3)}
        self._entry |= {**done, "last_step": trainer.global_step}
        if trainer.strategy.root_device.type == "cuda":
            peak = torch.cuda.max_memory_allocated(trainer.strategy.root_device)
            self._entry["peak_gpu_memory_gib"] = round(peak / GIB, 3)
        self._write()

    def _stop_clock(self) -> None:
        """Add the time since the training started."""
        if self._start_s is not None:
            self._seconds += time.perf_counter() - self._start_s
            self._start_s = None

    def _write(self) -> None:
        text = to_json({"starts": [*self._before, self._entry]}, indent=2) + "\n"
        write_text(self.path, text)


def _versions() -> dict[str, str | None]:
    """Versions of packages, of CUDA and of the system; None for what is absent."""
    cudnn = torch.backends.cudnn.version() if torch.backends.cudnn.is_available() else None
    return {
        **dict.fromkeys(PACKAGES),
        **list_versions(PACKAGES),
        "cuda": torch.version.cuda,
        "cudnn": None if cudnn is None else str(cudnn),
        "system": platform.platform(),
    }


def _read_starts(path: Path) -> list[Any]:
    """The entries of a file; a damaged file is renamed."""
    if not path.is_file():
        return []
    try:
        return list(read_json(path)["starts"])
    except (DataError, LookupError, TypeError):
        aside = path.with_name(f"env_damaged_{int(time.time())}.json")
        logger.warning("%s is damaged; it is kept as %s.", path, aside.name)
        with suppress(OSError):
            os.replace(path, aside)
        return []


def trained_seconds(folder: Path) -> float | None:
    """Seconds that a run has trained, all its starts together; None if not known."""
    file = folder / FILE_NAME
    if not file.is_file():
        return None
    try:
        return float(sum(start["seconds"] for start in read_json(file)["starts"]))
    except (DataError, LookupError, TypeError):  # damaged, or a start that was killed
        return None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
