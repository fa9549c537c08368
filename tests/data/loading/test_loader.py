"""Workers that are signalled while they start."""

import multiprocessing.process
import os
import signal
from typing import Any

import pytest
import torch
from torch.utils.data import TensorDataset

from vision.data.loading.loader import Loader
from vision.workers import start_worker


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGHUP])
def test_a_worker_that_is_signalled_at_its_first_moment_lives(
    monkeypatch: pytest.MonkeyPatch, sent: int
) -> None:
    begin = multiprocessing.process.BaseProcess._bootstrap

    def signalled(self: Any, *args: Any, **kwargs: Any) -> int:
        os.kill(os.getpid(), sent)  # in the worker, before it has run a line of its own
        return begin(self, *args, **kwargs)

    monkeypatch.setattr(multiprocessing.process.BaseProcess, "_bootstrap", signalled)
    data = TensorDataset(torch.arange(4))
    loader = Loader(
        data, num_workers=2, worker_init_fn=start_worker, multiprocessing_context="fork"
    )
    assert [int(batch[0]) for batch in loader] == [0, 1, 2, 3]


def test_the_signals_of_this_process_come_as_before() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    loader = Loader(TensorDataset(torch.arange(2)), num_workers=1, worker_init_fn=start_worker)
    assert len(list(loader)) == 2
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before
