"""What a benchmark of heads runs, and what it says of memory."""

from functools import partial
from typing import Any

import pytest
import torch
from helpers.tiny_dense import random_batch, tiny_dense

from vision.benchmarks.heads import HeadBenchmark, Settings
from vision.benchmarks.memory import in_fresh_process, peak_growth

SETTINGS = Settings(
    backbones=(), sizes=(), batch=2, rounds=1, warmup=0, threads=1, precision="fp32", device="cpu"
)


def build(decoder: str, batch: int, size: int) -> tuple[Any, Any]:
    assert batch == 2
    return tiny_dense(decoder=decoder), random_batch("depth", (size, size))


@pytest.mark.parametrize("decoder", ["dpt", "polymax"])
def test_a_step_is_a_training_step_and_the_head_is_run_alone(decoder: str) -> None:
    bench = HeadBenchmark(build, decoder, 65, SETTINGS)
    assert [x.shape[0] for x in bench.maps] == [1] * 4
    bench.task.backbone.forward = None
    bench.run("head")
    assert all(p.grad is None for p in bench.task.parameters())
    del bench.task.backbone.forward
    bench.run("step")
    assert all(p.grad is not None for p in bench.task.parameters())


def test_the_peak_of_a_step_counts_what_it_frees_again() -> None:
    grown = in_fresh_process(peak_growth, partial(torch.ones, 2**24))
    assert 60 < grown < 80  # 64 MiB
