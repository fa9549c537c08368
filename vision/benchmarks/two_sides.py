"""Rows of two implementations of one model: inference and a training step, times and peaks."""

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from vision.benchmarks.computing import Computing
from vision.benchmarks.measurement import Measurement
from vision.benchmarks.memory import peaks

MODES = ("inference", "training")


class TwoSides(Protocol):
    """Two implementations of one model, on the same inputs."""

    def step(self, mode: str, side: int) -> Any:
        """A step in one of `MODES` of ours, side 0, or of the peer's, side 1."""

    def clear(self) -> None:
        """Drop the gradients of both."""


def add_modes(
    measured: Measurement,
    both: TwoSides,
    label: str,
    settings: Computing,
    *,
    peer: str,
    per: int,
    difference: float,
) -> None:
    """Add rows of each mode: time by the clock and of the processor, and the peak of memory.

    Args:
        measured: Where the rows go.
        both: The two sides.
        label: What they are.
        settings: How they compute, and how often.
        peer: The peer's name.
        per: Images of a step.
        difference: What was found when the outputs were compared.
    """
    for mode in MODES:
        steps: list[Callable[[], Any]] = [partial(both.step, mode, side) for side in (0, 1)]
        measured.compare(
            f"{label}, {mode}",
            *steps,
            rounds=settings.rounds,
            warmup=settings.warmup,
            peer=peer,
            per=per,
            difference=difference,
        )
        found = peaks(steps, settings.place, clear=both.clear)
        measured.add_counts(f"{label}, {mode}, peak", "MiB", found, peer)
