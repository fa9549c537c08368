"""Training inputs side by side: what they make is compared, then batches of it are timed."""

import itertools
import random
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from vision.benchmarks.measurement import Measurement, UnequalSidesError
from vision.benchmarks.results import Row
from vision.benchmarks.timing import times

# Samples of a batch.
BATCH = 8
Make = Callable[[str], Any]


class Side(NamedTuple):
    """A training input.

    Attributes:
        make: From the path of an image to a sample.
        collate: From samples to a batch.
    """

    make: Make
    collate: Callable[[list[Any]], Any] = torch.stack


def add_beside(
    measured: Measurement,
    label: str,
    ours: Side,
    peers: Mapping[str, Side],
    paths: Sequence[str],
    *,
    rounds: int,
    differences: Mapping[str, float] | None = None,
) -> None:
    """Time our input and its peers in turn, and add our rows beside each of them.

    Args:
        measured: Where the rows go.
        label: What the inputs do.
        ours: Our input.
        peers: The others, by name.
        paths: Image files; a step makes batches of all of them.
        rounds: Measured steps of each.
        differences: What `compare_pixels` found, by name.
    """
    steps = [_step(side, paths) for side in (ours, *peers.values())]
    own, *others = times(steps, torch.device("cpu"), rounds=rounds, warmup=1)
    for name, found in zip(peers, others, strict=True):
        difference = (differences or {}).get(name)
        measured.add_times(label, [own, found], peer=name, per=len(paths), difference=difference)
    if not peers:
        measured.add_times(label, [own], per=len(paths))


def add_alone(
    measured: Measurement, inputs: Mapping[str, Make], paths: Sequence[str], *, rounds: int
) -> None:
    """Add a row of processor time of each of our inputs, or parts of one.

    Args:
        measured: Where the rows go.
        inputs: What makes a sample, by label.
        paths: Image files.
        rounds: Measured steps of each.
    """
    steps = [_step(Side(make, len), paths) for make in inputs.values()]
    found = times(steps, torch.device("cpu"), rounds=rounds, warmup=1)
    for label, one in zip(inputs, found, strict=True):
        seconds = statistics.median(one.processor) / len(paths)
        measured.add(Row(label, "CPU ms/image", 1e3 * seconds, rounds=rounds))


def _step(side: Side, paths: Sequence[str]) -> Callable[[], None]:
    """Makes batches of all files, with other random numbers each time."""
    seeds = itertools.count()

    def step() -> None:
        seed = next(seeds)
        torch.manual_seed(seed)
        # timm and mmsegmentation draw from Python's and NumPy's.
        random.seed(seed)
        np.random.seed(seed)
        for start in range(0, len(paths), BATCH):
            side.collate([side.make(path) for path in paths[start : start + BATCH]])

    return step


def compare_pixels(ours: Any, theirs: Any, *, levels: float, what: str) -> float:
    """Check that two sides make the same image, as far as their filters allow.

    Args:
        ours: An image, uint8 `(3, H, W)`.
        theirs: The other side's, or the same as float in 0..1.
        levels: Largest mean difference of a value, of 255 levels.
        what: What is compared, for the message.

    Returns:
        The largest difference, as a share of 255.

    Raises:
        UnequalSidesError: They differ by more on average, or in shape.
    """
    one, other = (_as_levels(torch.as_tensor(image)) for image in (ours, theirs))
    if one.shape != other.shape:
        raise UnequalSidesError(
            f"{what}: images of {tuple(one.shape)} and {tuple(other.shape)}. The sides do not do "
            "the same work, and are not timed."
        )
    apart = (one - other).abs()
    if not apart.mean().item() <= levels:
        raise UnequalSidesError(
            f"{what}: images differ by {apart.mean().item():.2f} of 255 levels on average, "
            f"expected {levels:g} or less. The sides do not do the same work, and are not timed."
        )
    return apart.max().item() / 255


def _as_levels(image: Tensor) -> Tensor:
    return image * 255 if image.is_floating_point() else image.float()
