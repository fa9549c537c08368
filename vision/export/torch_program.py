"""Write and read `torch.export` programs, which torch runs without the model's code."""

import os
import warnings
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vision.errors import ConfigError
from vision.export.graph import Graph


def export_program(
    graph: Graph,
    example: Tensor,
    path: str | os.PathLike[str],
    *,
    dynamic: Collection[str] = ("batch", "size"),
) -> Path:
    """Write a `torch.export` program.

    Args:
        graph: The program.
        example: Its first input `(B, C, *size)`; B is at least 2 if dynamic.
        path: The file, `.pt2`.
        dynamic: Which of `"batch"` and `"size"` are dynamic.

    Returns:
        The path.

    Raises:
        ConfigError: torch cannot export the program.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            shapes = open_shapes(graph, dynamic)
            program = torch.export.export(graph, graph.arguments(example), dynamic_shapes=shapes)
            torch.export.save(program, path)
    # torch.export's exceptions are undocumented; only the reason helps a user.
    except Exception as error:
        reason = str(error).strip().partition("\n")[0].removesuffix(".")
        raise ConfigError(
            f"torch.export of torch {torch.__version__} fails with dynamic="
            f"{sorted(dynamic) or 'none'}: {reason}. Try --dynamic none or --format onnx."
        ) from error
    return path


def open_shapes(graph: Graph, dynamic: Collection[str]) -> tuple[dict[int, Any], ...]:
    """The dynamic axes of each input, as torch's exporters take them.

    Args:
        graph: The program.
        dynamic: Which of `"batch"` and `"size"` are dynamic.
    """
    batch = [0] if "batch" in dynamic else []
    size = [2 + i for i in range(len(graph.first.axes))] if "size" in dynamic else []
    axes = [batch + size, *(batch for _ in graph.beside)]
    return tuple({axis: torch.export.Dim.DYNAMIC for axis in one} for one in axes)


def open_program(path: str | os.PathLike[str]) -> Callable[..., tuple[Tensor, ...]]:
    """Read a program from its file.

    Returns:
        A function from images or volumes `(B, C, *size)`, and its other inputs, to the tuple of
        outputs.
    """
    # Detectors use operators that torchvision registers.
    import torchvision  # noqa: F401

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = torch.export.load(os.fspath(path)).module()

    def run(*inputs: Tensor) -> tuple[Tensor, ...]:
        try:
            with torch.no_grad():
                return tuple(module(*inputs))
        except (AssertionError, RuntimeError) as error:
            shape = tuple(inputs[0].shape)
            raise ConfigError(
                f"the program does not run on images or volumes of {shape}: {error}"
            ) from error

    return run
