"""One process at a time trains in the folder of a run."""

import errno
import json
import logging
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from vision.errors import ConfigError

try:
    import fcntl
except ImportError:  # a system without such locks
    fcntl = None  # type: ignore[assignment]

logger = logging.getLogger(__name__)

LOCK = ".lock"
MAX_BYTES = 1000


@contextmanager
def hold_run(folder: Path) -> Iterator[None]:
    """Keep the folder of a run for this process.

    The lock is the kernel's: it ends with the process, however that ends, so none is left behind,
    and data workers do not inherit it. Where the file system has no locks, a warning is logged.

    Args:
        folder: The folder of the run.

    Raises:
        ConfigError: Another process has it, or the folder cannot be written.
    """
    path = folder / LOCK
    descriptor = _lock(path) if fcntl else None
    try:
        yield
    finally:
        if descriptor is not None:
            # First the name, then the lock: who opened the file meanwhile sees that it is gone.
            with suppress(OSError):
                path.unlink()
            os.close(descriptor)


def _lock(path: Path) -> int | None:
    while True:
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
            descriptor = os.open(path, flags, 0o644)
        except OSError as error:
            raise ConfigError(
                f"the folder of the run cannot be written: {path}: {error.strerror}. "
                "Choose another with --runs_dir."
            ) from error
        try:
            # Not flock, which forked data workers would keep when this process is killed.
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            message = _in_use(path.parent, descriptor)
            os.close(descriptor)
            if error.errno in (errno.EACCES, errno.EAGAIN):
                raise ConfigError(message) from None
            logger.warning(
                "the file system of %s has no locks (%s): see to it yourself that no other process "
                "trains there.",
                path.parent,
                error.strerror,
            )
            return None
        if _is_at(path, descriptor):
            _sign(descriptor)
            return descriptor
        os.close(descriptor)  # of a run that has just ended


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _sign(descriptor: int) -> None:
    since = datetime.now().astimezone().isoformat(" ", "seconds")
    holder = {"process": os.getpid(), "host": platform.node(), "since": since}
    with suppress(OSError):  # on a full disk the lock holds without a name
        os.ftruncate(descriptor, 0)
        os.write(descriptor, json.dumps(holder).encode())


def _in_use(folder: Path, descriptor: int) -> str:
    try:
        holder = json.loads(os.read(descriptor, MAX_BYTES))
        who = f"process {holder['process']} on {holder['host']}, since {holder['since']}"
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        who = "another process"
    return (
        f"the run {folder} is in use by {who}.\n"
        "Wait for its end or stop it; or give another --version, or leave --ckpt_path last out for "
        "a run of its own."
    )
