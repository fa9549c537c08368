"""Write ONNX files with torch, and run them with onnxruntime.

The default exporter is the tracing one (`torch.onnx.export(dynamo=False)`): it exports every family
and every task in seconds. The newer one (`dynamo=True`) takes minutes for attention with dynamic
sizes, and fails on Swin with dynamic sizes and on detectors (torch 2.14). Tracing may turn a size
into a constant: every export is therefore run at several sizes.
"""

import io
import os
import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, Literal, get_args
from unittest.mock import patch

import torch
from torch import Tensor

from vision.errors import ConfigError, MissingPackageError, suggest
from vision.export.graph import BATCH, Graph
from vision.export.torch_program import open_shapes
from vision.extras import install_line

Exporter = Literal["torchscript", "dynamo"]
OPSET = 18
MIN_OPSET = {"torchscript": 16, "dynamo": 18}
MAX_OPSET = 20
# The onnxruntime version that supports an opset in full, by its compatibility table.
RUNTIMES = {16: "1.11", 17: "1.12", 18: "1.14", 19: "1.17", 20: "1.18"}
# The newer exporter writes IR version 10 for every opset.
DYNAMO_RUNTIME = "1.18"
EXTRA = "export"


def export_onnx(
    graph: Graph,
    example: Tensor,
    path: str | os.PathLike[str],
    *,
    dynamic: Collection[str] = ("batch", "size"),
    opset: int = OPSET,
    exporter: Exporter = "torchscript",
) -> Path:
    """Write a program as ONNX.

    Args:
        graph: The program.
        example: Its first input `(B, C, *size)`; axes that are not dynamic take their lengths. B
            is at least 2 if it is dynamic.
        path: The file.
        dynamic: Which of `"batch"` and `"size"` are dynamic.
        opset: ONNX opset version.
        exporter: Which of torch's exporters writes it.

    Returns:
        The path.

    Raises:
        MissingPackageError: The package onnx (for dynamo also onnxscript) is absent.
        ConfigError: An option is unknown, or torch cannot export the program.
    """
    _check(opset, exporter)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write = _by_tracing if exporter == "torchscript" else _by_dynamo
    try:
        # On failure the exporter prints the whole graph.
        with redirect_stdout(io.StringIO()), warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            write(graph, example, path, set(dynamic), opset)
    except ImportError as error:
        raise MissingPackageError(
            f"an export to ONNX needs '{error.name}': {install_line(EXTRA)}"
        ) from error
    # The exporters raise arbitrary exceptions; only the reason helps a user.
    except Exception as error:
        reason = str(error).strip().partition("\n")[0].removesuffix(".")
        raise ConfigError(
            f"torch {torch.__version__} cannot export this model to ONNX with exporter="
            f"{exporter!r}, opset {opset}, dynamic={sorted(dynamic) or 'none'}: {reason}. Try "
            "--dynamic none, another --exporter, or --format torch-export."
        ) from error
    return path


def least_runtime(opset: int, exporter: Exporter = "torchscript") -> str:
    """The minimum version of onnxruntime that a file needs."""
    return DYNAMO_RUNTIME if exporter == "dynamo" else RUNTIMES[opset]


def open_session(path: str | os.PathLike[str]) -> Any:
    """Open a file in an onnxruntime session on the CPU.

    Raises:
        MissingPackageError: onnxruntime is absent.
        ConfigError: It cannot run the file, for example for lack of bfloat16 kernels.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingPackageError(
            f"running ONNX files needs onnxruntime: {install_line(EXTRA)}"
        ) from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(
            os.fspath(path), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:
        raise ConfigError(_cannot_run(path, error)) from error


def run_onnx(source: Any, *inputs: Tensor) -> dict[str, Tensor]:
    """Run an ONNX file on the CPU.

    Args:
        source: A path, or a session from `open_session`.
        inputs: Images or volumes `(B, C, *size)`, then its other inputs, in the dtypes that the
            file takes.

    Returns:
        The outputs by name.

    Raises:
        ConfigError: onnxruntime cannot run it on these inputs.
    """
    session = open_session(source) if isinstance(source, str | os.PathLike) else source
    names = [output.name for output in session.get_outputs()]
    try:
        taken = (one.name for one in session.get_inputs())
        given = zip(taken, (one.numpy() for one in inputs), strict=True)
        values = session.run(names, dict(given))
    except Exception as error:
        shapes = ", ".join(str(tuple(one.shape)) for one in inputs)
        raise ConfigError(_cannot_run(shapes, error)) from error
    return {name: torch.from_numpy(value) for name, value in zip(names, values, strict=True)}


def _cannot_run(what: Any, error: Exception) -> str:
    reason = str(error).strip().partition("\n")[0][:300]
    hint = (
        " onnxruntime has few kernels for bfloat16 on a CPU: choose --precision float16, or "
        "--format torch-export."
        if "bfloat16" in str(error)
        else ""
    )
    return f"onnxruntime cannot run {what}: {reason}{hint}"


def _check(opset: int, exporter: str) -> None:
    known = get_args(Exporter)
    if exporter not in known:
        raise ConfigError(
            f"exporter={exporter!r} is not one of {', '.join(known)}.{suggest(exporter, known)}"
        )
    if not MIN_OPSET[exporter] <= opset <= MAX_OPSET:
        raise ConfigError(
            f"opset={opset} must lie in {MIN_OPSET[exporter]}..{MAX_OPSET} for {exporter!r}."
        )


def _open_axes(dynamic: set[str], size: Sequence[str] = ()) -> dict[int, str]:
    axes = {0: BATCH} if "batch" in dynamic else {}
    return axes | (dict(enumerate(size, start=2)) if "size" in dynamic else {})


def _by_tracing(graph: Graph, example: Tensor, path: Path, dynamic: set[str], opset: int) -> None:
    import onnx  # noqa: F401  torch asks for it only at the end

    fixed = {axis for axis in (BATCH,) if "batch" not in dynamic}
    axes = {graph.first.name: _open_axes(dynamic, graph.first.axes)}
    axes |= {one.name: _open_axes(dynamic) for one in graph.beside}
    for name, lengths in graph.axes.items():
        names = {i: length for i, length in enumerate(lengths) if isinstance(length, str)}
        if "size" not in dynamic:
            names = {i: length for i, length in names.items() if length == BATCH}
        axes[name] = {i: length for i, length in names.items() if length not in fixed}
    with _plain_operators():
        torch.onnx.export(
            graph,
            graph.arguments(example),
            os.fspath(path),
            dynamo=False,
            opset_version=opset,
            input_names=graph.inputs,
            output_names=list(graph.axes),
            dynamic_axes=axes,
        )


def _by_dynamo(graph: Graph, example: Tensor, path: Path, dynamic: set[str], opset: int) -> None:
    program = torch.onnx.export(
        graph,
        graph.arguments(example),
        dynamo=True,
        opset_version=opset,
        input_names=graph.inputs,
        output_names=list(graph.axes),
        dynamic_shapes=open_shapes(graph, dynamic),
        verbose=False,
    )
    assert program is not None, "dynamo=True returns a program"
    program.save(os.fspath(path))


@contextmanager
def _plain_operators() -> Iterator[None]:
    """Trace operators that the exporter converts wrongly as others.

    `unflatten` becomes a reshape, since its other sizes would become constants; axes of `movedim`
    are counted from the first one, since negative ones stay in the file.
    """
    movedim = torch.Tensor.movedim

    def unflatten(x: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
        dim %= x.dim()
        return x.reshape(*x.shape[:dim], *sizes, *x.shape[dim + 1 :])

    def counted(x: Tensor, source: int, destination: int) -> Tensor:
        return movedim(x, source % x.dim(), destination % x.dim())

    with (
        patch.object(torch.Tensor, "unflatten", unflatten),
        patch.object(torch.Tensor, "movedim", counted),
    ):
        yield
