"""Data workers: how they start, how many there are, and why one has ended."""

import atexit
import multiprocessing
import os
import re
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from traceback import extract_tb, walk_tb
from types import FrameType
from typing import Any

MAX_WORKERS = 8
SHARED_MEMORY = Path("/dev/shm")
GIB = 2**30
# What a terminal or a cluster sends to all processes of a job.
HELD = {getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)}

# How PyTorch says that a worker has ended, and that memory cannot be shared with one.
_ENDED = re.compile(
    r"DataLoader worker \(pid(?:\(s\))? (?P<process>[\d, ]+)\) "
    r"(?P<how>is killed by signal: [^.]+|exited unexpectedly(?: with exit code -?\d+)?)"
)
_DATA_LOADER = ("torch", "utils", "data", "dataloader.py")
_NOT_SHARED = re.compile(r"unable to [^<\n]*</?torch_[^>]*>[^\n]*|shared memory object[^\n]*")
_TOO_MANY_FILES = re.compile(r"Too many open files|received \d+ items of ancdata")


def start_worker(worker_id: int) -> None:
    """Keep a worker to one thread, and leave signals to the process that it reads for.

    The DataLoader sets PyTorch's threads. Nothing is seeded here: random numbers depend on the
    sample, not on the worker.
    """
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(0)
    if multiprocessing.parent_process() is not None:
        leave_signals_to_parent()


def leave_signals_to_parent() -> None:
    """Ignore what a terminal or a cluster sends to all processes of a job.

    A training stops between two steps, for which it needs its workers, and ends them itself. The
    first SIGTERM may be meant for all; by the second PyTorch ends a worker that hangs.
    """
    for name in ("SIGINT", "SIGHUP"):
        if number := getattr(signal, name, None):
            signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: signal.signal(signal.SIGTERM, signal.SIG_DFL))
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)


@contextmanager
def hold_signals() -> Iterator[None]:
    """Hold signals back for this thread and the processes that it starts, then let them come."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_workers() -> None:
    """End the data workers of a process that is about to end itself.

    They would hold it up for seconds, since only the next batch that is fetched ends them in order.
    """
    workers = [child for child in multiprocessing.active_children() if child.daemon]
    if not workers or threading.current_thread() is not threading.main_thread():
        return
    number = getattr(signal, "SIGCHLD", None)
    # PyTorch's handler raises an error when one ends.
    before = None if number is None else signal.signal(number, signal.SIG_DFL)
    for worker in workers:
        worker.kill()
    for worker in workers:
        worker.join()
    if number is not None:
        signal.signal(number, before)


@cache
def end_workers_at_exit() -> None:
    """End the workers that this process still has at its end, such as after an error in an epoch.

    Python itself asks them by a single SIGTERM, which they leave to their parent, and then waits.
    """
    atexit.register(end_workers)


def default_workers() -> int:
    """One less than the CPU cores that this process may use, at most 8."""
    return min(MAX_WORKERS, usable_cores() - 1)


def default_threads() -> int:
    """As many as the CPU cores that this process may use, at most 8."""
    return min(MAX_WORKERS, usable_cores())


def usable_cores() -> int:
    """Number of CPU cores that this process may use."""
    # Linux knows the share of a process: a container often owns few of the cores.
    owned = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else ()
    return len(owned) or os.cpu_count() or 1


def explain_end_of_worker(error: BaseException) -> str | None:
    """Explain why a data worker ended and what to change, in at most five lines.

    Args:
        error: What PyTorch has raised in the process that the worker reads for, at any place.

    Returns:
        The message; None for an error of another kind.
    """
    if message := _explain(error):
        return message
    if _lost_connection(error):
        return _explain(_news_of_worker()) or (
            f"a data worker has ended while a batch was read from it.\n{_causes()}"
        )
    return None


def _explain(error: BaseException) -> str | None:
    text = "\n".join(map(str, _chain(error)))
    if ended := list(_ENDED.finditer(text)):
        # Often only the cause of the last error says that the worker was killed.
        one = next((match for match in ended if "signal" in match["how"]), ended[0])
        how = one["how"].strip()
        if "signal" not in how and (number := _signal_of_worker(error)) is not None:
            how = f"is killed by signal: {signal.strsignal(number)}"
        return f"a data worker (process {one['process']}) {how}.\n{_causes()}"
    if _TOO_MANY_FILES.search(text) and "worker" in text.lower():
        return (
            "a data worker has too many open files. Raise the limit (ulimit -n 65536) or use fewer "
            "--data.num_workers."
        )
    if found := _NOT_SHARED.search(text):
        return (
            f"a data worker cannot share a batch: {found[0].strip()[:160]}\n"
            f"Shared memory is full ({_free_shared_memory()}); in a container it is set when that "
            f"is started (docker run --shm-size 8g).\n{_REMEDY}"
        )
    return None


_REMEDY = (
    "Fewer --data.num_workers or a smaller --data.batch_size need less; --data.num_workers 0 reads "
    "in the training process and shows an error where it happens."
)


def _causes() -> str:
    return (
        "Usual causes: memory is full, and the system has killed it (its log says so: dmesg); "
        f"shared memory is full ({_free_shared_memory()}); or a decoder has crashed.\n{_REMEDY}"
    )


def _lost_connection(error: BaseException) -> bool:
    """Whether a DataLoader was reading from a worker that has ended."""
    return isinstance(error, ConnectionError | EOFError) and any(
        _is_data_loader(frame.filename) for frame in extract_tb(error.__traceback__)
    )


def _signal_of_worker(error: BaseException) -> int | None:
    """The signal that has ended a worker, where PyTorch has seen its end before its handler did.

    The end of a process can be asked for once only, so that the handler then finds nothing; the
    process itself still knows its exit code.
    """
    for one in _chain(error):
        for frame, _ in walk_tb(one.__traceback__):
            for worker in _ended_workers(frame):
                if (worker.exitcode or 0) < 0:
                    return -worker.exitcode
    return None


def _ended_workers(frame: FrameType) -> list[Any]:
    """The processes that a DataLoader, in its own frame, has found to have ended."""
    known = _is_data_loader(frame.f_code.co_filename)
    return frame.f_locals.get("failed_workers", []) if known else []


def _is_data_loader(filename: str) -> bool:
    return Path(filename).parts[-4:] == _DATA_LOADER


def _news_of_worker() -> BaseException:
    """What PyTorch's handler of SIGCHLD raises, which can come after the connection is lost."""
    try:
        time.sleep(1)
    except RuntimeError as error:
        return error
    return EOFError()


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and what it was raised from."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def _free_shared_memory() -> str:
    try:
        return f"{shutil.disk_usage(SHARED_MEMORY).free / GIB:.1f} GiB of it are free"
    except OSError:
        return "its size is unknown"
