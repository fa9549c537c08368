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

from vision.benchmarks import heads
from vision.benchmarks.heads import HeadBenchmark, Settings, add_compiled
from vision.benchmarks.measurement import Measurement
from vision.benchmarks.memory import in_fresh_process, peak_growth, peak_of_tensors
from vision.benchmarks.timing import Times
from vision.errors import ConfigError

SIZE = (65, 65)
SETTINGS = Settings(
    backbones=("tiny",), sizes=(SIZE,), batch=2, rounds=2, warmup=0, threads=1, device="cpu"
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


def test_rows_are_of_a_head_and_of_a_step() -> None:
    measured = Measurement("heads")
    build_dpt = partial(build, "dpt")
    heads.measure_heads(
        measured, {"dpt": lambda backbone, batch, size: build_dpt(batch, size)}, SETTINGS
    )
    shown = [(row.label, row.unit, row.rounds) for row in measured.rows]
    assert shown == [
        row
        for mode in ("head", "step")
        for row in (
            (f"tiny, dpt {mode} at 65 x 65", "ms/image", 2),
            (f"tiny, dpt {mode} at 65 x 65", "CPU ms/image", 2),
            (f"tiny, dpt {mode}, peak at 65 x 65", "MiB", 0),
        )
    ]
    assert all(row.ours > 0 for row in measured.rows)


def test_eager_is_timed_against_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    def times(
        sides: Sequence[partial[None]], device: torch.device, *, rounds: int, warmup: int
    ) -> list[Times]:
        found = []
        for side in sides:
            side()
            task = side.func.__self__.task
            parts = (task.backbone, task.neck, task.head)
            compiled = {part._compiled_call_impl is not None for part in parts}
            found.append(Times(*[[2.0 if compiled == {True} else 5.0] * rounds] * 2))
        return found

    monkeypatch.setattr("vision.benchmarks.measurement.times", times)
    measured = Measurement("compiled")
    with torch.compiler.set_stance("force_eager"):
        add_compiled(measured, "tiny, dpt", build, "dpt", SIZE, replace(SETTINGS, rounds=3))
    rows = [row for row in measured.rows if row.unit == "ms/image"]
    assert [row.label for row in rows] == [
        "tiny, dpt head, compiled at 65 x 65", "tiny, dpt step, compiled at 65 x 65"
    ]  # fmt: skip
    assert all((row.peer, row.ratio, row.low) == ("eager", 2.5, 2.5) for row in rows)


def test_what_cannot_be_compiled_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(bench: HeadBenchmark, mode: str) -> None:
        raise TorchDynamoException(f"no compiler for a {mode}\nand more")

    monkeypatch.setattr(HeadBenchmark, "run", fail)
    measured = Measurement("compiled")
    add_compiled(measured, "tiny, dpt", build, "dpt", SIZE, SETTINGS)
    assert measured.notes == [
        f"tiny, dpt {mode} cannot be compiled: no compiler for a {mode}" for mode in heads.MODES
    ]
    assert not measured.rows


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
