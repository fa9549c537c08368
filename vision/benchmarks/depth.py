"""The dense head and PolyMaX for depth: time and memory of the head and of a training step.

`vision.benchmarks.heads` says what is measured. Normals differ from depth in the last layer alone.
"""

from functools import partial
from typing import Any

import torch

from vision.benchmarks.heads import Settings, measure_heads
from vision.benchmarks.measurement import begin
from vision.benchmarks.results import Table
from vision.tasks.dense_decoders import DEPTH_DECODERS
from vision.tasks.depth import DepthEstimation


def build(
    decoder: str, backbone: str, batch: int, size: tuple[int, int]
) -> tuple[Any, dict[str, Any]]:
    """A model of depth, and random normalised images with a random depth for each pixel."""
    return DepthEstimation(backbone, decoder=decoder), make_batch(batch, size)


def make_batch(batch: int, size: tuple[int, int]) -> dict[str, Any]:
    """Random normalised images and depths in metres, the same every time."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(batch, 3, *size, generator=generator)
    depth = 1 + 8 * torch.rand(batch, *size, generator=generator)
    return {"image": images, "depth": depth}


def measure_depth_heads(settings: Settings) -> Table:
    """Measure each backbone, head and size."""
    measured = begin("Heads of depth and their training steps", settings)
    builds = {decoder: partial(build, decoder) for decoder in DEPTH_DECODERS}
    measure_heads(measured, builds, settings)
    return measured.table()
