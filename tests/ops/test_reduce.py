"""Means over processes: one process, and two that talk."""

from pathlib import Path

import torch
from helpers.forked import start_forked

from vision.ops.reduce import mean_over_processes

PROGRAM = """
import torch
from torch import distributed
from vision.ops.reduce import mean_over_processes

distributed.init_process_group("gloo")
rank = distributed.get_rank()
print(mean_over_processes(torch.tensor([1.0 + 2 * rank, 5.0])).tolist())
distributed.destroy_process_group()
"""


def test_one_process_gets_a_copy_without_gradient() -> None:
    values = torch.tensor([1.0, 2.0], requires_grad=True)
    mean = mean_over_processes(values)
    assert torch.equal(mean, values)
    assert not mean.requires_grad
    mean += 1
    assert values.tolist() == [1.0, 2.0]


def test_two_processes_get_the_mean(tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    ends = start_forked(script, folder=tmp_path, ranks=2).wait()
    assert [done.stdout.strip() for done in ends] == ["[2.0, 5.0]", "[2.0, 5.0]"]
