"""Run an encoder and a head on volumes of any size: pad them at the end, run, crop the logits."""

import math
import operator
from collections.abc import Callable, Sequence
from typing import Protocol

from torch import Tensor

from vision.contracts.features import VolumeSpec
from vision.contracts.volumes import VolumeOutputs
from vision.ops.padding import pad_end


class VolumeEncoder(Protocol):
    """What is needed of an encoder: its maps, and their strides."""

    feature_specs: tuple[VolumeSpec, ...]

    def __call__(self, volumes: Tensor, /) -> list[Tensor]:
        """The maps of volumes, finest first."""
        ...


Head = Callable[[Sequence[Tensor], Tensor], VolumeOutputs]


def padded_size(size: Sequence[int], stride: Sequence[int]) -> list[int]:
    """The size to which volumes are padded.

    Args:
        size: Cells along each axis.
        stride: Stride of the coarsest map along each axis.

    Returns:
        Multiples of the stride; where only one cell would be left, whose instance norm is
        undefined, two along the last axis.
    """
    counts = [-(-side // step) for side, step in zip(size, stride, strict=True)]
    if math.prod(counts) == 1:
        counts[-1] = 2
    return [count * step for count, step in zip(counts, stride, strict=True)]


def padded_outputs(backbone: VolumeEncoder, head: Head, volumes: Tensor) -> VolumeOutputs:
    """Run a network on volumes of any size.

    Args:
        backbone: The encoder.
        head: The head, `head(features, volumes)`.
        volumes: `(B, C, *size)`.

    Returns:
        What the head returns, `logits` `(B, K, *size)`; `deeper` covers the padded volume.
    """
    # Plain numbers: a program has one size.
    size = [operator.index(side) for side in volumes.shape[2:]]
    padded = padded_size(size, backbone.feature_specs[-1].stride)
    missing = [whole - side for whole, side in zip(padded, size, strict=True)]
    volumes = pad_end(volumes, missing)
    outputs = head(backbone(volumes), volumes)
    if any(missing):
        kept = (slice(None), slice(None), *(slice(side) for side in size))
        outputs["logits"] = outputs["logits"][kept]
    return outputs
