"""Facts about a trained model from its file, without reading the weights."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vision.errors import CheckpointError, DataError, VisionError
from vision.kinds import DESIGNS

CHECKPOINTS = "checkpoints"
WEIGHTS = "weights/best.safetensors"
# Suffixes of checkpoint tensors that are not parameters: buffers of batch norms and of RMT.
BUFFERS = ("running_mean", "running_var", "num_batches_tracked", "log_decay")


@dataclass(frozen=True, kw_only=True)
class Size:
    """The size of a model; None for what is not known.

    Attributes:
        parameters: Number of parameters.
        checkpoint: Size of the checkpoint in bytes.
        weights: Size in bytes of `weights/best.safetensors`.
    """

    parameters: int | None = None
    checkpoint: int | None = None
    weights: int | None = None


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Facts about a model; None for what is not known.

    Attributes:
        kind: Name of its task.
        model: Names of its detector or segmentor and of its backbone.
        epoch: Completed epochs of its training.
        step: Optimiser steps of its training.
        size: Its size.
    """

    kind: str | None = None
    model: str | None = None
    epoch: int | None = None
    step: int | None = None
    size: Size = field(default_factory=Size)


def read_facts(folder: Path, checkpoint: Path | None, notes: list[str]) -> Facts:
    """Read facts about the model of a run; the tensors of a checkpoint are only memory-mapped.

    Args:
        folder: Folder of the run.
        checkpoint: The file of the model; None uses the best, or else the last, or else the file
            of weights.
        notes: Receives a line for everything that could not be read.
    """
    options = [folder / CHECKPOINTS / name for name in ("best.ckpt", "last.ckpt")]
    weights = folder / WEIGHTS
    path = checkpoint or next((one for one in options if one.is_file()), weights)
    if not path.is_file():
        notes.append(f"{folder / CHECKPOINTS}: no best.ckpt and no last.ckpt")
        return Facts()
    size = {
        "checkpoint": path.stat().st_size if path.suffix == ".ckpt" else None,
        "weights": weights.stat().st_size if weights.is_file() else None,
    }
    try:
        described, parameters = _describe(path)
    except VisionError as error:
        text = str(error).splitlines()[0]
        notes.append(text if str(path) in text else f"{path}: {text}")
        return Facts(size=Size(**size))
    arguments = described.get("hyper_parameters") or {}
    designs = [*map(arguments.get, DESIGNS), described.get("backbone")]
    return Facts(
        kind=described.get("kind"),
        model=" ".join(str(design) for design in designs if design) or None,
        epoch=described.get("epoch"),
        step=described.get("step"),
        size=Size(parameters=parameters, **size),
    )


def _describe(path: Path) -> tuple[Mapping[str, Any], int]:
    from vision.tasks.checkpoint import describe_checkpoint
    from vision.weights.checkpoint_file import read_checkpoint

    if path.suffix == ".safetensors":
        return _describe_safetensors(path)
    checkpoint = read_checkpoint(path, mmap=True)
    if not isinstance(checkpoint, Mapping) or not isinstance(checkpoint.get("state_dict"), Mapping):
        raise CheckpointError(f"'{path}' is not a checkpoint of a run: it has no 'state_dict'.")
    shapes = {
        key: (tensor.numel(), tensor.is_floating_point())
        for key, tensor in checkpoint["state_dict"].items()
        if hasattr(tensor, "numel")
    }
    return describe_checkpoint(checkpoint), _count(shapes)


def _describe_safetensors(path: Path) -> tuple[Mapping[str, Any], int]:
    from vision.weights.model_file import read_header

    tensors, described = read_header(path)
    if described is None or not described["backbone"]:
        raise DataError(f"'{path}' does not say which model its tensors belong to.")
    shapes = {key: (math.prod(shape), "F" in dtype) for key, (dtype, shape) in tensors.items()}
    return described, _count(shapes)


def _count(shapes: Mapping[str, tuple[int, bool]]) -> int:
    """Count the parameters."""
    return sum(
        count for key, (count, is_float) in shapes.items() if is_float and not key.endswith(BUFFERS)
    )
