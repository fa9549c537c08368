"""Post-training quantisation of ONNX models to int8 by onnxruntime.

Convolutions and matrix products with weights compute in int8: weights are quantised per output
channel, activations by ranges from calibration images (Jacob et al., "Quantization and Training of
Neural Networks for Efficient Integer-Arithmetic-Only Inference",
https://arxiv.org/abs/1712.05877). Everything else stays in float: norms, softmax and the products
of attention, whose operands are both activations, lose accuracy in 8 bits and gain little speed.
The file uses the QDQ format: pairs of QuantizeLinear and DequantizeLinear around the operators.
"""

import contextlib
import logging
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from torch import Tensor

from vision.errors import ConfigError, MissingPackageError
from vision.extras import install_line

Calibration = Literal["minmax", "entropy", "percentile"]
# Operators with weights; products of two activations are excluded.
OPERATORS = ("Conv", "MatMul", "Gemm")


@dataclass(frozen=True)
class QuantizeOptions:
    """Options of quantisation.

    Attributes:
        calibration: How to choose the range of an activation: "minmax" covers all values seen in
            calibration, "percentile" all but 0.001 % of them, "entropy" loses least information.
            The latter two keep the activations of all calibration images in memory.
        operators: Types of ONNX operators that compute in int8, some of Conv, MatMul, Gemm.
        keep_float: Regular expressions; nodes whose name matches one (by search) stay in float.
        reduce_range: Whether weights have 7 bits: x86 processors without VNNI instructions
            saturate sums of two 8-bit products at 16 bits, which can ruin a model. If all target
            machines have VNNI, or are ARM, 8 bits are slightly more accurate.

    Raises:
        ConfigError: A value is not allowed.
    """

    calibration: Calibration = "minmax"
    operators: tuple[str, ...] = OPERATORS
    keep_float: tuple[str, ...] = ()
    reduce_range: bool = True

    def __post_init__(self) -> None:
        if self.calibration not in get_args(Calibration):
            raise ConfigError(
                f"calibration is '{self.calibration}'; expected one of {get_args(Calibration)}."
            )
        if not self.operators or set(self.operators) - {*OPERATORS}:
            raise ConfigError(f"operators is {self.operators}; expected some of {OPERATORS}.")
        for pattern in self.keep_float:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ConfigError(
                    f"keep_float '{pattern}' is not a regular expression: {error}."
                ) from error


DEFAULTS = QuantizeOptions()


@dataclass(frozen=True)
class Quantized:
    """The result of quantisation.

    Attributes:
        path: The int8 model.
        images: Number of calibration images.
        quantized: Number of nodes that compute in int8.
        candidates: Number of nodes of `QuantizeOptions.operators` in the float model.
        prepared: Whether onnxruntime's symbolic shape inference succeeded.
    """

    path: Path
    images: int
    quantized: int
    candidates: int
    prepared: bool


def quantize_onnx(
    source: Path,
    target: Path,
    batches: Iterable[Sequence[Tensor]],
    *,
    options: QuantizeOptions = DEFAULTS,
) -> Quantized:
    """Quantise an ONNX model.

    Args:
        source: The float model.
        target: The int8 model to write; its folder is created if absent.
        batches: What to calibrate with: images `(B, C, H, W)` as the model accepts them, then its
            other inputs; read once.
        options: Options of quantisation.

    Returns:
        Numbers of quantised nodes and of images.

    Raises:
        ConfigError: There are no calibration images, or no node to quantise.
        MissingPackageError: onnxruntime or onnx is not installed.
    """
    tools = _tools()
    if source.resolve() == target.resolve():
        raise ConfigError(f"the int8 model would overwrite the float model '{source}'.")
    target.parent.mkdir(parents=True, exist_ok=True)
    reader = _reader(batches, _inputs(source))
    with tempfile.TemporaryDirectory(dir=target.parent) as folder, _quiet():
        ready = Path(folder) / "ready.onnx"
        unfinished = Path(folder) / "int8.onnx"
        symbolic = _prepare(tools, source, ready)
        nodes = _nodes(ready, options)
        if not nodes.taken:
            raise ConfigError(
                f"'{source}' has no node to quantise: of {nodes.candidates} nodes of the types "
                f"{', '.join(options.operators)}, keep_float leaves none."
            )
        tools.quantize_static(
            ready,
            unfinished,
            reader,
            quant_format=tools.QuantFormat.QDQ,
            op_types_to_quantize=list(options.operators),
            nodes_to_quantize=nodes.taken,
            per_channel=True,
            reduce_range=options.reduce_range,
            activation_type=tools.QuantType.QUInt8,
            weight_type=tools.QuantType.QInt8,
            calibrate_method=_method(tools, options.calibration),
            extra_options={"MatMulConstBOnly": True},
        )
        unfinished.replace(target)
    return Quantized(target, reader.images, count_int8(target), nodes.candidates, symbolic)


def count_int8(path: Path) -> int:
    """Count the nodes with weights whose two operands are dequantised."""
    import onnx

    nodes = onnx.load(path, load_external_data=False).graph.node
    restored = {
        name for node in nodes if node.op_type == "DequantizeLinear" for name in node.output
    }
    return sum(
        node.op_type in OPERATORS and all(name in restored for name in node.input[:2])
        for node in nodes
    )


@dataclass(frozen=True)
class _Nodes:
    taken: list[str]
    candidates: int


def _nodes(path: Path, options: QuantizeOptions) -> _Nodes:
    """Find the nodes to quantise; all nodes with weights of the given types are candidates."""
    import onnx

    graph = onnx.load(path, load_external_data=False).graph
    constants = {one.name for one in graph.initializer}
    constants |= {name for node in graph.node if node.op_type == "Constant" for name in node.output}
    candidates = [
        node.name
        for node in graph.node
        if node.op_type in options.operators and any(name in constants for name in node.input[1:2])
    ]
    kept = [re.compile(pattern) for pattern in options.keep_float]
    taken = [name for name in candidates if not any(one.search(name) for one in kept)]
    return _Nodes(taken, len(candidates))


def _prepare(tools: Any, source: Path, ready: Path) -> bool:
    """Fold, fuse and infer shapes as onnxruntime recommends before calibration.

    Returns:
        Whether symbolic shape inference succeeded; it helps, but fails for some graphs.
    """
    try:
        tools.quant_pre_process(source, ready, auto_merge=True)
    except Exception:  # it raises bare exceptions for unknown operators
        tools.quant_pre_process(source, ready, skip_symbolic_shape=True)
        return False
    return True


def _method(tools: Any, calibration: Calibration) -> Any:
    names = {"minmax": "MinMax", "entropy": "Entropy", "percentile": "Percentile"}
    return tools.CalibrationMethod[names[calibration]]


def _tools() -> Any:
    try:
        import onnx  # noqa: F401
        from onnxruntime import quantization
    except ImportError as error:
        raise MissingPackageError(
            f"int8 models need onnxruntime and onnx: {install_line('export')}"
        ) from error
    return quantization


def _inputs(path: Path) -> list[str]:
    """Names of the inputs of a model."""
    import onnx

    return [one.name for one in onnx.load(path, load_external_data=False).graph.input]


def _reader(batches: Iterable[Sequence[Tensor]], names: Sequence[str]) -> Any:
    """An onnxruntime `CalibrationDataReader`, one batch at a time, by the names of its inputs."""
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.images = 0
            self.batches = iter(batches)

        def get_next(self) -> dict[str, np.ndarray] | None:
            batch = next(self.batches, None)
            if batch is None:
                if not self.images:
                    raise ConfigError("there are no calibration images; give one batch or more.")
                return None
            self.images += len(batch[0])
            return {name: one.cpu().numpy() for name, one in zip(names, batch, strict=True)}

    return Reader()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence onnxruntime's advice to pre-process the model, which is done here."""
    root = logging.getLogger()

    def drop(record: logging.LogRecord) -> bool:
        return record.levelno >= logging.ERROR

    root.addFilter(drop)
    try:
        yield
    finally:
        root.removeFilter(drop)
