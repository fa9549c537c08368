"""Compilation of the backbone of a loaded model, for predictions of many images."""

from typing import Any, get_args

import torch

from vision.errors import ConfigError
from vision.machine import has_cpp_compiler
from vision.predict.options import Compiled
from vision.tasks.base import BaseTask
from vision.tasks.build import require_blocks

# CUDA graphs are replayed on the memory they were recorded with: each size of a batch has its own.
CUDA_GRAPHS: dict[str, Any] = {"mode": "reduce-overhead", "dynamic": False}


def compile_for_prediction(task: BaseTask, how: Compiled, device: torch.device) -> None:
    """Compile the backbone of a task when it is next called.

    Args:
        task: The task, on its device.
        how: As in `vision.predict.model.Model.compile`.
        device: The device.

    Raises:
        ConfigError: As there.
    """
    _check(task, how, device)
    settings = CUDA_GRAPHS if how == "cuda-graphs" else {}
    task.compile_backbone(blocks=how == "blocks", **settings)


def _check(task: BaseTask, how: Compiled, device: torch.device) -> None:
    if how not in get_args(Compiled):
        known = ", ".join(map(repr, get_args(Compiled)))
        raise ConfigError(f"compile={how!r} is not one of {known}.")
    if task.no_compile is not None:
        raise ConfigError(
            f"compile={how!r} is not for a {type(task).__name__}: {task.no_compile}. Leave it out."
        )
    if how == "blocks":
        require_blocks(task.backbone, instead="compile='whole'")
    if how == "cuda-graphs" and device.type != "cuda":
        raise ConfigError(
            f"compile='cuda-graphs' needs a GPU, and the model is on '{device}': choose 'whole' or "
            "'blocks'."
        )
    if device.type == "cpu" and not has_cpp_compiler():
        raise ConfigError(
            f"compile={how!r} needs a C++ compiler on the CPU, such as g++, and none is on the "
            "PATH: install one, or leave it out."
        )
