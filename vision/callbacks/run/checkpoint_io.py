"""Write checkpoints atomically, and read them without running code."""

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO

from vision.errors import CheckpointError
from vision.weights.checkpoint_file import read_checkpoint
from vision.workers import explain_end_of_worker

GIB = 2**30


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint to a temporary file, and renames it when it is complete and on disk.

    If the process ends meanwhile (a kill, a power cut, a full disk), the file of that name is the
    complete previous checkpoint or the complete new one. Reading never runs code from the file.

    Args:
        written: Called with each checkpoint and its path, once it is on the disk.
    """

    def __init__(self, *, written: Callable[[dict[str, Any], Path], None] | None = None) -> None:
        super().__init__()
        self._written = written

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write a checkpoint.

        Args:
            checkpoint: Tensors and plain values.
            path: Path of the file; its folder is created if absent.
            storage_options: Must be None.

        Raises:
            CheckpointError: It cannot be written; a file at `path` is unchanged.
        """
        if "://" in str(path):  # a file system that writes a file as a whole or not at all
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        path = Path(path)
        unfinished = path.with_name(f".{path.name}.unfinished")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with unfinished.open("wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(unfinished, path)
            _sync_folder(path.parent)
        except (OSError, RuntimeError) as error:  # torch reports a failed write as either
            with suppress(OSError):
                unfinished.unlink()
            if explain_end_of_worker(error):  # PyTorch raises this at any point of the program
                raise
            raise CheckpointError(_unwritten(path, error)) from error
        if self._written is not None:
            self._written(checkpoint, path)

    def load_checkpoint(
        self,
        path: str | Path,
        map_location: Callable[..., Any] | None = lambda storage, loc: storage,
        weights_only: bool | None = True,
    ) -> dict[str, Any]:
        """Read a checkpoint.

        Args:
            path: Path of the file.
            map_location: As in `torch.load`.
            weights_only: False is refused: other objects than tensors and plain values can run
                code.

        Raises:
            CheckpointError: The file is absent, truncated, or holds other objects.
        """
        if "://" in str(path):
            return super().load_checkpoint(path, map_location, weights_only=True)
        return read_checkpoint(Path(path), map_location=map_location)


def _unwritten(path: Path, error: Exception) -> str:
    cause: BaseException = error
    while not isinstance(cause, OSError) and cause.__context__ is not None:
        cause = cause.__context__
    reason = cause.strerror if isinstance(cause, OSError) else str(error).splitlines()[0]
    free = shutil.disk_usage(path.parent).free if path.parent.is_dir() else 0
    before = "the one written before is whole" if path.is_file() else "there is none yet"
    return (
        f"the checkpoint '{path}' cannot be written: {reason}. {free / GIB:.2f} GiB are free on "
        f"its disk; {before}.\nFree some space and resume with --ckpt_path last, or write "
        "elsewhere with --runs_dir."
    )


def _sync_folder(folder: Path) -> None:
    """Make a rename last through a power cut; not every system can."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
