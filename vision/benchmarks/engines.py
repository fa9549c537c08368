"""The engines that can run an exported graph, and whether their outputs are those of PyTorch."""

import copy
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from vision.export.graph import Graph
from vision.export.onnx import export_onnx
from vision.machine import has_cpp_compiler

# Largest difference of an engine over the largest value of the output, in float32 (other order of
# sums) and in int8.
TOLERANCE, INT8_TOLERANCE = 1e-3, 0.2
# Share of labels, which sums in another order change where two classes tie.
MIN_SAME, INT8_MIN_SAME = 0.995, 0.7
Run = Callable[[Tensor], tuple[Tensor, ...]]


class Skipped(Exception):  # noqa: N818, it is no error
    """Why an engine is not measured."""


def build_eager(graph: Graph, images: Tensor, folder: Path, int8: Path | None) -> Run:
    """PyTorch, operator by operator."""
    return lambda images: graph(*graph.arguments(images))


def build_compiled(graph: Graph, images: Tensor, folder: Path, int8: Path | None) -> Run:
    """`torch.compile` for this size only."""
    graph.check_format("torch-export")  # what no program can hold is compiled in endless pieces
    need_compiler(images)
    torch.compiler.reset()
    # Of a copy: the graph itself stays eager.
    compiled = torch.compile(copy.deepcopy(graph), dynamic=False)

    def run(images: Tensor) -> tuple[Tensor, ...]:
        found: tuple[Tensor, ...] = compiled(*graph.arguments(images))
        return found

    run(images)
    return run


def build_aot(graph: Graph, images: Tensor, folder: Path, int8: Path | None) -> Run:
    """A compiled library from `torch.export`, without Python in it."""
    graph.check_format("torch-export")
    need_compiler(images)
    from torch import _inductor as inductor

    program = torch.export.export(graph, graph.arguments(images))
    path = inductor.aoti_compile_and_package(
        program, package_path=str(folder / f"batch_{len(images)}.pt2")
    )
    loaded = inductor.aoti_load_package(path)

    def run(images: Tensor) -> tuple[Tensor, ...]:
        found = loaded(*graph.arguments(images))
        return (found,) if isinstance(found, Tensor) else tuple(found)

    return run


def build_onnxruntime(graph: Graph, images: Tensor, folder: Path, int8: Path | None) -> Run:
    """onnxruntime, float, of a model exported for this size only."""
    graph.check_format("onnx")
    path = folder / f"batch_{len(images)}.onnx"
    export_onnx(on_cpu(graph), images.cpu(), path, dynamic=())
    return open_onnx(path, images, graph)


def build_int8(graph: Graph, images: Tensor, folder: Path, int8: Path | None) -> Run:
    """Onnxruntime with the given int8 model."""
    assert int8 is not None, "it is not measured without a file"
    return open_onnx(int8, images, graph)


ENGINES: dict[str, Callable[[Graph, Tensor, Path, Path | None], Run]] = {
    "eager": build_eager,
    "compiled": build_compiled,
    "aot": build_aot,
    "onnxruntime": build_onnxruntime,
    "int8": build_int8,
}


def need_compiler(images: Tensor) -> None:
    """Raise `Skipped` on a machine without a C++ compiler."""
    if images.device.type == "cpu" and not has_cpp_compiler():
        raise Skipped("there is no C++ compiler")


def on_cpu(graph: Graph) -> Graph:
    """The graph on the CPU; itself if it is there."""
    on_cpu = all(parameter.device.type == "cpu" for parameter in graph.parameters())
    return graph if on_cpu else copy.deepcopy(graph).cpu()


def open_onnx(path: Path, images: Tensor, graph: Graph) -> Run:
    """A file in onnxruntime, with the threads and the device of PyTorch."""
    import onnxruntime

    provider = "CUDAExecutionProvider" if images.is_cuda else "CPUExecutionProvider"
    if provider not in onnxruntime.get_available_providers():
        raise Skipped(f"onnxruntime {onnxruntime.__version__} has no {provider}")
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = torch.get_num_threads()
    settings.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(path), settings, providers=[provider])
    taken = [one.name for one in session.get_inputs()]
    given = [one.name for one in session.get_outputs()]
    if lacking := [name for name in graph.axes if name not in given]:
        raise Skipped(f"{path} does not give '{lacking[0]}' but {', '.join(given)}")

    def run(images: Tensor) -> tuple[Tensor, ...]:
        inputs = [one.cpu().numpy() for one in graph.arguments(images)]
        values = session.run(list(graph.axes), dict(zip(taken, inputs, strict=True)))
        return tuple(map(torch.from_numpy, values))

    return run


def difference(
    found: Sequence[Tensor], expected: Sequence[Tensor], *, int8: bool, lists: bool = False
) -> str | None:
    """Describe how an engine's outputs differ from the expected; None if they agree.

    Args:
        found: Outputs of the engine.
        expected: Outputs of eager PyTorch.
        int8: Whether the engine computes in int8.
        lists: Whether outputs are lists of objects by falling score: in int8 their order differs,
            so that their values are not compared.
    """
    if len(found) != len(expected):
        return f"it gives {len(found)} outputs in place of {len(expected)}"
    for i, (ours, theirs) in enumerate(zip(found, expected, strict=True)):
        ours, theirs = ours.cpu(), theirs.cpu()
        if ours.shape != theirs.shape:
            return f"output {i} is {tuple(ours.shape)} in place of {tuple(theirs.shape)}"
        if int8 and lists:
            if not ours.isfinite().all():
                return f"output {i} is not finite"
            continue
        if not theirs.is_floating_point():
            same = (ours == theirs).float().mean().item() if theirs.numel() else 1.0
            if same < (INT8_MIN_SAME if int8 else MIN_SAME):
                return f"only {same:.4f} of output {i} is as in eager"
            continue
        if not theirs.numel():
            continue
        apart = (ours.float() - theirs.float()).abs().max() / theirs.abs().max().clamp_min(1e-12)
        # Not the other way round: a NaN is wrong, too.
        if not apart <= (INT8_TOLERANCE if int8 else TOLERANCE):
            return f"output {i} differs from eager by {apart:.2g} of its largest value"
    return None
