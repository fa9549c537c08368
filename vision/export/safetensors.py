"""Write safetensors files with the description of their model."""

import copy
import os
from pathlib import Path
from typing import Any, cast

import torch

from vision.contracts.models import ModelDescription
from vision.export.graph import Graph
from vision.weights.model_file import read_model, write_model

BACKBONE = "Backbone"


def export_tensors(
    module: torch.nn.Module,
    description: dict[str, Any],
    path: str | os.PathLike[str],
    *,
    dtype: torch.dtype = torch.float32,
) -> Path:
    """Write the tensors of a task or of a backbone.

    Args:
        module: The task, for a file that `vision.load` reads, or the backbone, for one that
            `vision.load_weights` does.
        description: Its description, stored in the file.
        path: The file, `.safetensors`.
        dtype: Type of floating-point tensors in the file.

    Returns:
        The path.

    Raises:
        WeightsError: The file cannot be written.
    """
    state = {
        key: tensor.to(dtype) if tensor.is_floating_point() else tensor
        for key, tensor in module.state_dict().items()
    }
    return write_model(path, state, cast(ModelDescription, description))


def reload_tensors(graph: Graph, module: torch.nn.Module, path: str | os.PathLike[str]) -> Graph:
    """A copy of a program whose parameters are read from the file.

    Args:
        graph: A program of the module's parts.
        module: What was written.
        path: The file.
    """
    state, _ = read_model(path)
    # Copied together, so that they still share their parameters.
    new_graph, new_module = copy.deepcopy((graph, module))
    new_module.load_state_dict(state)
    return new_graph


def describe_backbone(name: str, options: dict[str, Any], mean_std: dict[str, Any]) -> dict:
    """The description stored in the file of a backbone without a head.

    Args:
        name: Its name for `create_backbone`.
        options: Its other keyword arguments.
        mean_std: Normalisation that its weights expect.
    """
    return {
        "task": BACKBONE,
        "kind": "backbone",
        "backbone": name,
        "hyper_parameters": options,
        "input": mean_std,
    }
