"""Compare an exported program with its source on random and other inputs."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vision.export.compare import Difference
from vision.export.graph import Graph

Runner = Callable[..., dict[str, Tensor]]
# Largest allowed relative difference, by precision of the program.
TOLERANCES = {"float32": 1e-4, "float16": 2e-2, "bfloat16": 1e-1}


@dataclass(frozen=True)
class Case:
    """One comparison of a program with its source.

    Attributes:
        inputs: What they are, such as `"random"` or `"real"`.
        batch: Number of images or volumes.
        size: Their sides.
        differences: Differences of the outputs.
    """

    inputs: str
    batch: int
    size: tuple[int, ...]
    differences: Sequence[Difference]

    @property
    def passed(self) -> bool:
        """Whether all differences are within their tolerance."""
        return all(difference.passed for difference in self.differences)


def verify(
    run: Runner,
    source: Graph,
    *,
    shapes: Sequence[tuple[int, tuple[int, ...]]],
    tolerance: float,
    images: str | os.PathLike[str] | None = None,
) -> list[Case]:
    """Compare a program with its source.

    Args:
        run: The program: maps its inputs, in the form that it accepts, to outputs by name.
        source: The module that was exported, in float32.
        shapes: Number of inputs, and their sides, for each comparison.
        tolerance: As in `compare_outputs`.
        images: As in `ProgramInput.examples`.

    Returns:
        A case for each shape and each of the examples.

    Raises:
        ImageError: No image was found, or it cannot be read.
        ConfigError: There are no images to give to this program.
    """
    cases = []
    for batch, size in shapes:
        for name, values in source.first.examples(batch, size, images).items():
            inputs = source.arguments(values)
            with torch.no_grad():
                expected = source.named(source(*inputs))
            found = {key: value.cpu() for key, value in run(*inputs).items()}
            differences = source.compare(found, expected, tolerance=tolerance)
            cases.append(Case(name, batch, size, differences))
    return cases


def verified_shapes(
    size: tuple[int, ...], batch: int, dynamic: Sequence[str]
) -> list[tuple[int, tuple[int, ...]]]:
    """Shapes at which a program is run: its traced one, and others along the dynamic axes."""
    shapes = [(batch, size)]
    if "size" in dynamic:
        # Larger ones: a program of torch.export may refuse smaller than it was traced with.
        other = size[0] * 5 // 4 + 1, *(side + 11 for side in size[1:])
        shapes.append((batch + 1 if "batch" in dynamic else batch, other))
    if "batch" in dynamic:
        shapes.append((1, size))
    return shapes


def worst(cases: Sequence[Case]) -> list[Difference]:
    """The largest difference of each output over all cases."""
    found: dict[str, Difference] = {}
    for case in cases:
        for difference in case.differences:
            before = found.get(difference.output)
            # Written so that a NaN replaces any number.
            if before is None or not difference.relative <= before.relative:
                found[difference.output] = difference
    return list(found.values())
