"""The dense head and PolyMaX for depth: time and memory of the head and of a training step.

`vision.benchmarks.heads` says what is measured. Normals differ from depth in the last layer alone.
"""

from functools import partial
from typing import Any

import torch

from vision.benchmarks.heads import Settings, measure_heads
from vision.tasks.dense_decoders import DEPTH_DECODERS
from vision.tasks.depth import DepthEstimation


def build(
    decoder: str, backbone: str, batch: int, size: tuple[int, int]
) -> tuple[Any, dict[str, Any]]:
    """A model of depth, and random normalised images with a random depth for each pixel."""
    generator = torch.Generator().manual_seed(0)
    task = DepthEstimation(backbone, decoder=decoder)
    images = torch.randn(batch, 3, *size, generator=generator)
    depth = 1 + 8 * torch.rand(batch, *size, generator=generator)
    return task, {"image": images, "depth": depth}


def measure_depth_heads(settings: Settings) -> None:
    """Print a row for each backbone, head and size."""
    measure_heads({decoder: partial(build, decoder) for decoder in DEPTH_DECODERS}, settings)
