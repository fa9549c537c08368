"""What the machine refuses ends with what to change; faults of the program keep their traceback."""

import errno
import os

import pytest

from vision.cli.failures import explain_failures
from vision.data.base.volumes import VolumeData
from vision.errors import ConfigError, VisionError


def said(error: Exception) -> str:
    with pytest.raises(VisionError) as caught, explain_failures(32, 1):
        raise error
    message = str(caught.value)
    assert len(message.splitlines()) <= 8
    return message


@pytest.mark.parametrize("name", ["ENOSPC", "EDQUOT", "EFBIG", "EROFS", "EACCES", "EIO"])
def test_a_file_that_cannot_be_written_is_named_with_the_reason(name: str) -> None:
    number = getattr(errno, name)
    message = said(OSError(number, os.strerror(number), "runs/run/version_0/metrics.csv"))
    assert f"'runs/run/version_0/metrics.csv' cannot be read or written: {os.strerror(number)}" in (
        message
    )
    assert "--ckpt_path last" in message


def test_a_disk_without_a_name_is_reported_too() -> None:
    assert "a file cannot be read or written: No space" in said(
        OSError(errno.ENOSPC, "No space left on device")
    )


def test_a_process_that_cannot_be_started_for_want_of_memory() -> None:
    assert "memory is full at 32 images" in said(OSError(errno.ENOMEM, "Cannot allocate memory"))


def test_a_full_memory_names_the_options_of_volumes() -> None:
    explained = explain_failures(1, 1, unit=VolumeData.unit, sizes=VolumeData.sizes)
    with pytest.raises(VisionError) as caught, explained:
        raise MemoryError
    message = str(caught.value)
    assert "memory is full at 1 volume per batch" in message
    assert "a smaller --data.augment.patch_size, --model.inference.window or --model" in message
    assert "image" not in message
    assert "--data.batch_size" not in message, "a batch of one has no half"


def test_a_dead_worker_is_no_fault_of_the_program() -> None:
    message = said(RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. "))
    assert "a data worker (process 7) is killed by signal: Killed" in message


@pytest.mark.parametrize(
    "error", [RuntimeError("shapes"), KeyError("x"), FileNotFoundError(2, "No such file", "x")]
)
def test_a_fault_of_the_program_passes(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, explain_failures(32, 1):
        raise error
    assert caught.value is error


def test_a_message_for_the_user_passes() -> None:
    with pytest.raises(ConfigError, match="lr=-1"), explain_failures(32, 1):
        raise ConfigError("lr=-1 must be positive.")


def test_a_logger_without_its_account_is_explained() -> None:
    class UsageError(Exception):
        __module__ = "wandb.errors.errors"

    message = said(UsageError("No API key configured. Use `wandb login` to log in."))
    assert "trainer.logger: wandb cannot log: No API key configured." in message
    assert "leave it out of trainer.logger" in message
