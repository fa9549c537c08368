"""Explain failures of the machine: full memory, a full disk, a killed worker."""

import errno
import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from vision.errors import CheckpointError, VisionError
from vision.wording import counted
from vision.workers import explain_end_of_worker

# Message of PyTorch's CPU allocator, which raises a plain RuntimeError when memory is full.
_CPU_ALLOCATOR = "DefaultCPUAllocator"
# The file of Lightning that restores checkpoints.
RESTORING = "checkpoint_connector.py"
# Packages of Lightning's loggers, whose errors are of their accounts and servers.
LOGGERS = ("wandb", "mlflow", "comet_ml", "neptune")
# Errors of a full, read-only or broken file system: not bugs of the program.
_UNWRITABLE = {
    getattr(errno, name)
    for name in ("ENOSPC", "EDQUOT", "EFBIG", "EROFS", "EACCES", "EPERM", "EIO", "ESTALE")
    if hasattr(errno, name)
}


@contextmanager
def explain_failures(
    batch_size: int, accumulated: int, *, unit: str = "images", sizes: str = "--data.image_size"
) -> Iterator[None]:
    """Convert failures of the machine to errors that say what to change.

    Args:
        batch_size: Images per batch and device.
        accumulated: Batches per optimiser step.
        unit: What an image is called, in the plural.
        sizes: Options of the size of one.

    Raises:
        VisionError: Memory or a disk is full, a file cannot be written, a worker has ended, or a
            logger cannot log.
        CheckpointError: A checkpoint does not hold what it should.
    """

    def full_memory(error: BaseException) -> VisionError:
        remedies = _less_memory(batch_size, accumulated, sizes)
        return _full_memory(error, counted(batch_size, unit), remedies)

    try:
        yield
    except (VisionError, MisconfigurationException):
        raise
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise full_memory(error) from error
    except RuntimeError as error:
        if _CPU_ALLOCATOR in str(error):
            raise full_memory(error) from error
        _refuse_lost_worker(error)
        _refuse_checkpoint(error)
        raise
    except OSError as error:
        if error.errno == errno.ENOMEM:
            raise full_memory(error) from error
        if error.errno in _UNWRITABLE:
            raise VisionError(_unwritable(error)) from error
        _refuse_lost_worker(error)
        raise
    except Exception as error:
        _refuse_lost_worker(error)
        _refuse_checkpoint(error)
        _refuse_logger(error)
        raise


def _refuse_lost_worker(error: Exception) -> None:
    """Raise an error that a data worker has ended, if that is the cause."""
    if message := explain_end_of_worker(error):
        raise VisionError(f"{message}\n{_go_on()}") from error


def _refuse_checkpoint(error: Exception) -> None:
    """Raise an error that a checkpoint is damaged, if the error comes from restoring it."""
    frames = traceback.extract_tb(error.__traceback__)
    if not any(
        frame.filename.endswith(RESTORING)
        and frame.name.strip("_").startswith(("restore", "resume"))
        for frame in frames
    ):
        return
    first = str(error).strip().partition("\n")[0][:160]
    raise CheckpointError(
        f"the checkpoint cannot be restored: {type(error).__name__}: {first}\n"
        "It is damaged, or was written by another version or for another config. Use another one "
        "of its run, or begin a new run from its weights: --model.weights FILE without --ckpt_path."
    ) from error


def _refuse_logger(error: Exception) -> None:
    """Raise an error that a logger of another package cannot log, if that package raised it."""
    package = type(error).__module__.partition(".")[0]
    if package in LOGGERS:
        first = str(error).strip().partition("\n")[0][:300]
        raise VisionError(
            f"trainer.logger: {package} cannot log: {first}\n"
            "Set it up as its documentation says, or leave it out of trainer.logger: every run has "
            "metrics.csv and TensorBoard."
        ) from error


def _less_memory(batch_size: int, accumulated: int, sizes: str) -> list[str]:
    fewer = (
        f"--data.batch_size {batch_size // 2} --trainer.accumulate_grad_batches {2 * accumulated}"
        "   (the same optimiser steps)"
    )
    return [
        *([fewer] if batch_size > 1 else []),
        "--model.memory lean, or checkpoint   (slower by about a third)",
        "--trainer.precision bf16-mixed",
        f"a smaller {sizes} or --model.backbone",
    ]


def _full_memory(error: BaseException, batch: str, remedies: list[str]) -> VisionError:
    device = "the GPU's memory" if isinstance(error, torch.OutOfMemoryError) else "memory"
    return VisionError(
        f"{device} is full at {batch} per batch. Any of these needs less:\n"
        + "".join(f"  {remedy}\n" for remedy in remedies)
        + str(error).strip().partition("\n")[0][:160]
    )


def _unwritable(error: OSError) -> str:
    name = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else None
    what = f"'{name}'" if name else "a file"
    return (
        f"{what} cannot be read or written: {error.strerror}.\n"
        f"Make room, or write elsewhere with --runs_dir. {_go_on()}"
    )


def _go_on() -> str:
    return "What was written before is whole: a run goes on from it with --ckpt_path last."
