"""What has ended a data worker is said as that, and workers leave signals to their parent."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader, Dataset, TensorDataset, get_worker_info

from vision.callbacks.run.checkpoint_io import AtomicCheckpointIO
from vision.workers import (
    end_workers,
    explain_end_of_worker,
    leave_signals_to_parent,
    start_worker,
)


class Ending(Dataset[int]):
    """One sample, which ends the process that makes it."""

    def __init__(self, sent: int | None) -> None:
        self.sent = sent

    def __getitem__(self, index: int) -> int:
        if self.sent is None:
            os._exit(3)
        os.kill(os.getpid(), self.sent)
        time.sleep(10)
        return index

    def __len__(self) -> int:
        return 1


@pytest.mark.parametrize(
    ("sent", "how"),
    [
        (signal.SIGKILL, "is killed by signal: Killed"),
        (signal.SIGSEGV, "is killed by signal: Segmentation fault"),
        (signal.SIGBUS, "is killed by signal: Bus error"),
        (None, "exited unexpectedly"),
    ],
)
def test_a_worker_that_ends_is_named_with_its_causes(sent: int | None, how: str) -> None:
    loader = DataLoader(Ending(sent), num_workers=1, worker_init_fn=start_worker)
    with pytest.raises(RuntimeError) as caught:
        next(iter(loader))
    message = explain_end_of_worker(caught.value) or ""
    assert "a data worker (process " in message
    assert how in message
    for cause in ("memory is full", "shared memory", "GiB of it are free", "--data.num_workers 0"):
        assert cause in message
    assert len(message.splitlines()) <= 5


def test_a_killed_worker_is_named_where_its_end_was_seen_before_the_signal() -> None:
    # PyTorch's handler of SIGCHLD finds nothing once the end of the process was asked for.
    batches = iter(DataLoader(Ending(signal.SIGKILL), num_workers=1, timeout=1))
    before = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        with pytest.raises(RuntimeError, match="exited unexpectedly") as caught:
            next(batches)
    finally:
        signal.signal(signal.SIGCHLD, before)
    message = explain_end_of_worker(caught.value) or ""
    assert "a data worker (process " in message
    assert "is killed by signal: Killed" in message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("unable to write to file </torch_7_1_0>: No space left on device (28)", "No space left"),
        ("unable to mmap 64 bytes from file </torch_7_1_0>: Cannot allocate memory (12)", "mmap"),
        (
            "Caught RuntimeError in DataLoader worker process 0.\nunable to open shared memory "
            "object </torch_7_1_0> in read-write mode: Too many open files (24)",
            "ulimit -n",
        ),
        ("DataLoader worker: received 0 items of ancdata", "ulimit -n"),
    ],
)
def test_memory_that_cannot_be_shared_is_told_as_that(text: str, said: str) -> None:
    message = explain_end_of_worker(RuntimeError(text)) or ""
    assert said in message
    assert "--data.num_workers" in message


def test_other_errors_are_none_of_a_worker() -> None:
    assert explain_end_of_worker(RuntimeError("mat1 and mat2 shapes cannot be multiplied")) is None
    assert explain_end_of_worker(OSError(28, "No space left on device")) is None


@pytest.mark.parametrize(
    "lost", [ConnectionResetError(104, "Connection reset by peer"), EOFError()]
)
def test_a_lost_connection_to_a_worker_is_told_as_its_end(
    lost: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = iter(DataLoader(TensorDataset(torch.zeros(4)), num_workers=1))

    def read(*_: object, **__: object) -> object:
        raise lost

    monkeypatch.setattr(batches, "_try_get_data", read)
    monkeypatch.setattr("vision.workers.time.sleep", lambda _: None)
    with pytest.raises(type(lost)) as caught:
        next(batches)
    message = explain_end_of_worker(caught.value) or ""
    assert "a data worker has ended" in message
    assert "--data.num_workers 0" in message
    assert explain_end_of_worker(type(lost)()) is None  # of another connection


def test_a_worker_that_ends_while_a_checkpoint_is_written_is_no_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:  # by PyTorch's handler of SIGCHLD
        raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. ")

    monkeypatch.setattr(torch, "save", interrupted)
    with pytest.raises(RuntimeError, match="DataLoader worker"):
        AtomicCheckpointIO().save_checkpoint({}, tmp_path / "last.ckpt")
    assert list(tmp_path.iterdir()) == []


class Signalled(Dataset[int]):
    """Samples whose worker gets a signal meanwhile."""

    def __init__(self, sent: int) -> None:
        self.sent = sent

    def __getitem__(self, index: int) -> int:
        assert get_worker_info() is not None
        if index == 0:
            os.kill(os.getpid(), self.sent)
        return index

    def __len__(self) -> int:
        return 2


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGHUP, signal.SIGTERM])
def test_a_signal_to_all_processes_leaves_the_workers_at_work(sent: int) -> None:
    loader = DataLoader(Signalled(sent), num_workers=1, worker_init_fn=start_worker)
    assert [int(batch) for batch in loader] == [0, 1]


def test_a_worker_that_hangs_can_be_ended() -> None:
    worker = get_context("fork").Process(target=_hang)
    worker.start()
    time.sleep(0.1)
    worker.terminate()  # as for all processes of a job
    worker.join(0.1)
    assert worker.is_alive()
    worker.terminate()  # as the DataLoader does
    worker.join(5)
    assert worker.exitcode == -signal.SIGTERM


def test_workers_that_nobody_waits_for_end_at_once_and_without_an_error() -> None:
    loader = DataLoader(Ending(signal.SIGCONT), num_workers=2, worker_init_fn=start_worker)
    batches = iter(loader)  # whose workers sleep for ten seconds
    handler, begin = signal.getsignal(signal.SIGCHLD), time.perf_counter()
    end_workers()
    assert time.perf_counter() - begin < 5
    assert not multiprocessing.active_children()
    assert signal.getsignal(signal.SIGCHLD) == handler
    del batches


def _hang() -> None:
    leave_signals_to_parent()
    while True:
        time.sleep(1)


LEFT = """
import torch, sys
from vision.data.loading.loader import Loader
from vision.workers import start_worker
options = {"num_workers": 1, "persistent_workers": True, "worker_init_fn": start_worker}
left = iter(Loader(torch.arange(8), **options))
print(int(next(left)))
"""


def test_a_worker_that_is_left_does_not_hold_up_the_end() -> None:
    done = subprocess.run([sys.executable, "-c", LEFT], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "0\n"), done.stderr
