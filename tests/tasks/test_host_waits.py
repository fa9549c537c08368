"""How often a training step waits for its device: the table of docs/performance.md is what the
stored counts say, which `vision benchmark check` counts again; and what the counting sees.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_map_only

from vision.benchmarks.check import STORED
from vision.benchmarks.simulated_device import DEVICE, simulated_device
from vision.benchmarks.small_steps import STEPS, take_step
from vision.benchmarks.waits import WAITING, count_waits

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
ROW = re.compile(r"\| `([\w ]+)` \| (\d+) \| (\d+) \|")
COUNTS = json.loads(STORED.read_text())["counts"]


def test_the_page_has_the_stored_waits_of_every_step() -> None:
    rows = {name: (int(reads), int(sizes)) for name, reads, sizes in ROW.findall(PAGE.read_text())}
    stored = {name: COUNTS[name] for name in WAITING}
    assert rows == {
        name: (counts["numbers read"], counts["lengths read"]) for name, counts in stored.items()
    }
    assert not any(counts["numbers written"] for counts in stored.values())


# One that does not wait, one that reads lengths, one that reads numbers.
@pytest.mark.parametrize("name", ["classification", "faster_rcnn", "monodetr", "check of the loss"])
def test_steps_wait_for_their_device_as_often_as_is_stored(name: str) -> None:
    assert count_waits(name) == COUNTS[name]


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        (lambda x: x.sum().item(), "read"),
        (lambda x: bool(x.any()), "read"),
        (lambda x: x.tolist(), "read"),
        (lambda x: x.cpu(), "read"),
        (lambda x: x[x > 0], "size"),
        (lambda x: x.nonzero(), "size"),
        (lambda x: x.unique(), "size"),
        (lambda x: torch.tensor([1.0], device=x.device) + x, "write"),
        (lambda x: x.new_tensor([1.0]) + x, "write"),
        (lambda x: x[torch.tensor([0])], "write"),
    ],
)
def test_the_simulated_device_notes_what_waits(act: Callable[[Tensor], Any], expected: str) -> None:
    with simulated_device() as waits:
        x = torch.ones(3).to(DEVICE, non_blocking=True)
        assert not waits.found
        act(x * 2 + 1)
    assert [wait for wait, _ in waits.found] == [expected]


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore:You are trying to `self.log")
@pytest.mark.parametrize(
    "name", [name for name in STEPS if not any(COUNTS.get(name, {"": 1}).values())]
)
def test_steps_that_do_not_wait_do_not_on_a_gpu(name: str) -> None:
    task, batch = STEPS[name]()
    task.to("cuda").train()
    batch = tree_map_only(Tensor, lambda x: x.to("cuda"), batch)
    take_step(task, batch)  # kernels are loaded
    torch.cuda.set_sync_debug_mode("error")
    try:
        take_step(task, batch)
    finally:
        torch.cuda.set_sync_debug_mode("default")
