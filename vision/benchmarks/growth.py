"""How the memory and the time of a backbone grow with the size of its images."""

import math
import statistics
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from vision.backbones.encoder import MemoryMode
from vision.backbones.registry import create_backbone
from vision.benchmarks.kept import in_mode, kept_bytes

KEPT_SIDES = (224, 448, 896, 1792)
TIMED_SIDES = (448, 896, 1344)


class Growth(NamedTuple):
    """What images of several sizes cost.

    Attributes:
        sides: Sides of the square images in pixels.
        costs: Bytes or seconds of one image of each.
    """

    sides: tuple[int, ...]
    costs: tuple[float, ...]

    @property
    def exponent(self) -> float:
        """The power of the number of pixels that the costs grow with, by least squares of logs."""
        pixels = [2 * math.log(side) for side in self.sides]
        return statistics.linear_regression(pixels, [math.log(cost) for cost in self.costs]).slope


def growth_of_kept(
    name: str,
    mode: MemoryMode = "fast",
    *,
    sides: Sequence[int] = KEPT_SIDES,
    **options: Any,
) -> Growth:
    """Count the bytes that the forward pass of training keeps, on fake tensors.

    Args:
        name: A backbone, as for `create_backbone`.
        mode: What it keeps, as for `Backbone.set_memory`.
        sides: Sides of the images in pixels.
        **options: Keywords of the backbone.
    """
    build = in_mode(name, mode, **options)
    costs = tuple(float(kept_bytes(build, (1, 3, side, side))) for side in sides)
    return Growth(tuple(sides), costs)


def growth_of_time(
    name: str, *, sides: Sequence[int] = TIMED_SIDES, rounds: int = 5, **options: Any
) -> Growth:
    """Measure the processor time of inference on the CPU, one image at a time.

    The sizes alternate, so that a slow change of the machine's speed affects all alike.

    Args:
        name: A backbone, as for `create_backbone`; its weights are random.
        sides: Sides of the images in pixels.
        rounds: Measured passes of each size, after one that is not measured; the median counts.
        **options: Keywords of the backbone.
    """
    backbone = create_backbone(name, **options).eval()
    seconds: list[list[float]] = [[] for _ in sides]
    with torch.inference_mode():
        images = [torch.randn(1, 3, side, side) for side in sides]
        for i in range(rounds + 1):
            for image, found in zip(images, seconds, strict=True):
                start = time.process_time()
                backbone(image)
                if i > 0:
                    found.append(time.process_time() - start)
    return Growth(tuple(sides), tuple(statistics.median(found) for found in seconds))
