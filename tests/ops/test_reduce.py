"""Means over processes: one process, and two that talk."""

import subprocess
import sys
from pathlib import Path

import torch

from vision.ops.reduce import mean_over_processes

PROGRAM = """
import sys
import torch
from torch import distributed
from vision.ops.reduce import mean_over_processes

rank = int(sys.argv[1])
distributed.init_process_group(
    "gloo", init_method=f"file://{sys.argv[2]}", rank=rank, world_size=2
)
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
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(rank), str(tmp_path / "store")],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        for rank in range(2)
    ]
    outputs = [process.communicate(timeout=120)[0].strip() for process in processes]
    assert outputs == ["[2.0, 5.0]", "[2.0, 5.0]"]
