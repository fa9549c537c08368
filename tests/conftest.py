"""What holds for the whole suite of tests: no network but loopback, no borrowed settings."""

import gc
import os
from typing import Any

import pytest
from helpers.properties import register_profiles

register_profiles()
# Processes that tests start inherit these; in this process pytest-socket refuses other hosts.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["GLOO_SOCKET_IFNAME"] = "lo"
os.environ["MPLBACKEND"] = "Agg"
# Processes of pytest-xdist have the width of the terminal; the width of a pipe has no limit.
os.environ.pop("COLUMNS", None)
# Tests run in two processes, and their tensors are small.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collectstart() -> None:
    """Import Lightning before anything that tests import, and collect no garbage meanwhile.

    What is imported stays, and looking through it again and again took a quarter of the time.

    `typing` keeps the first of equal unions. Where another package's `float | int | None` is first,
    so is the Trainer's, and a table of its options has other words.
    """
    gc.disable()
    import lightning.pytorch  # noqa: F401


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Replaces `torch.compile`: a `helpers.graphs.CountingCompiler`."""
    import torch
    from helpers.graphs import CountingCompiler

    counting = CountingCompiler()
    monkeypatch.setattr(torch, "compile", counting)
    return counting


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests that need a CUDA device where there is none."""
    import torch

    if not torch.cuda.is_available():
        for item in items:
            if "gpu" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="no CUDA device"))


def pytest_collection_finish() -> None:
    """Leave what was imported and collected, and stays, out of later garbage collection."""
    gc.collect()
    gc.freeze()
    gc.enable()
