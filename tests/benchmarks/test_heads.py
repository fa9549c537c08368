"""What a benchmark of heads runs, and what it says of memory."""

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from helpers.tiny_dense import random_batch, tiny_dense
from torch._dynamo.exc import TorchDynamoException

from vision.benchmarks.heads import HeadBenchmark, Settings, print_compiled
from vision.benchmarks.memory import in_fresh_process, peak_growth, peak_of_tensors
from vision.errors import ConfigError

SIZE = (65, 65)
SETTINGS = Settings(
    backbones=(), sizes=(), batch=2, rounds=1, warmup=0, threads=1, precision="fp32", device="cpu"
)


def build(decoder: str, batch: int, size: tuple[int, int]) -> tuple[Any, Any]:
    assert batch == 2
    return tiny_dense(decoder=decoder), random_batch("depth", size)


@pytest.mark.parametrize("decoder", ["dpt", "polymax"])
def test_a_step_is_a_training_step_and_the_head_is_run_alone(decoder: str) -> None:
    bench = HeadBenchmark(build, decoder, SIZE, SETTINGS)
    assert [x.shape[0] for x in bench.maps] == [1] * 4
    bench.task.backbone.forward = None
    bench.run("head")
    assert all(p.grad is None for p in bench.task.parameters())
    del bench.task.backbone.forward
    bench.run("step")
    assert all(p.grad is not None for p in bench.task.parameters())


def test_eager_is_timed_against_compiled(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def wall_times(
        sides: Sequence[partial[None]], device: torch.device, *, rounds: int, warmup: int
    ) -> list[list[float]]:
        seconds = []
        for side in sides:
            side()
            task = side.func.__self__.task
            parts = (task.backbone, task.neck, task.head)
            compiled = {part._compiled_call_impl is not None for part in parts}
            seconds.append([2.0] * rounds if compiled == {True} else [5.0] * rounds)
        return seconds

    monkeypatch.setattr("vision.benchmarks.heads.wall_times", wall_times)
    with torch.compiler.set_stance("force_eager"):
        print_compiled(build, "dpt", SIZE, replace(SETTINGS, rounds=3))
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "head, eager over compiled 2.50 95 % interval 2.50 to 2.50",
        "step, eager over compiled 2.50 95 % interval 2.50 to 2.50",
    ]


def test_what_cannot_be_compiled_says_why(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(bench: HeadBenchmark, mode: str) -> None:
        raise TorchDynamoException(f"no compiler for a {mode}\nand more")

    monkeypatch.setattr(HeadBenchmark, "run", fail)
    print_compiled(build, "dpt", SIZE, SETTINGS)
    head, step = capsys.readouterr().out.splitlines()
    assert head.endswith("cannot be compiled: no compiler for a head")
    assert step.endswith("cannot be compiled: no compiler for a step")


def test_the_peak_of_a_step_counts_what_it_frees_again() -> None:
    grown = in_fresh_process(peak_growth, partial(torch.ones, 2**24))
    assert 60 < grown < 80  # 64 MiB


def test_the_peak_of_tensors_is_exact() -> None:
    def step() -> None:
        first = torch.ones(2**18)
        (first + torch.ones(2**18)).sum()  # three of 1 MiB at once
        torch.ones(2**19)

    assert peak_of_tensors(step) == pytest.approx(3, abs=0.001)


def test_a_measuring_process_that_is_ended_from_outside_is_no_endless_wait() -> None:
    with pytest.raises(ConfigError, match="memory is full"):
        in_fresh_process(os._exit, 3)
