"""Export a program, run the file, compare it with its source, and write its JSON sidecar."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from vision.errors import ConfigError, suggest
from vision.export.graph import Graph
from vision.export.onnx import OPSET, Exporter, export_onnx, least_runtime, open_session, run_onnx
from vision.export.safetensors import export_tensors, reload_tensors
from vision.export.sidecar import export_facts, verification_facts, write_sidecar
from vision.export.torch_program import export_program, open_program
from vision.export.verify import (
    TOLERANCES,
    Case,
    Runner,
    verified_shapes,
    verify,
    worst,
)
from vision.line_width import break_parts, line_width
from vision.ops.bilinear import SAMPLINGS, Sampling, sampling_by
from vision.options import check_number

Format = Literal["safetensors", "torch-export", "onnx"]
SUFFIXES = {"safetensors": ".safetensors", "torch-export": ".pt2", "onnx": ".onnx"}
AXES = ("batch", "size")
_NAME_WIDTH = 12  # of the names in the table


@dataclass(frozen=True)
class ExportOptions:
    """Options of an export.

    Attributes:
        format: "safetensors", "torch-export" or "onnx".
        size: Height and width of the images, or the three sides of the volumes, it is traced with.
        batch: Number of images or volumes it is traced with; at least 2 if dynamic.
        dynamic: Which of "batch" and "size" are dynamic; None makes dynamic what can be.
        precision: "float32", "float16" or "bfloat16", of weights and computation.
        opset: ONNX opset version.
        exporter: "torchscript" or "dynamo", for ONNX.
        sampling: How deformable attention samples maps: "grid", or "gather" for engines whose grid
            sampling is missing or wrong.
        tolerance: Largest allowed relative difference; None uses the default of the precision.
        images: As in `ProgramInput.examples`.
        licence: Licence of the weights; None if it is not known.
        source: What is exported, as a person gave it, for the JSON file.

    Raises:
        ConfigError: A value is unknown or out of range.
    """

    format: Format
    size: tuple[int, ...] = (224, 224)
    batch: int = 1
    dynamic: tuple[str, ...] | None = None
    precision: str = "float32"
    opset: int = OPSET
    exporter: Exporter = "torchscript"
    sampling: Sampling = "grid"
    tolerance: float | None = None
    images: str | None = None
    licence: str | None = None
    source: str | None = None

    def __post_init__(self) -> None:
        _known("format", self.format, get_args(Format))
        _known("precision", self.precision, tuple(TOLERANCES))
        _known("sampling", self.sampling, SAMPLINGS)
        for axis in self.dynamic or ():
            _known("dynamic", axis, AXES)
        check_number("batch", self.batch, minimum=1, unit="images")
        if self.sampling != "grid" and self.format == "safetensors":
            raise ConfigError(
                f"sampling={self.sampling!r} is of programs, and format='safetensors' writes only "
                "weights: leave it out, or choose onnx or torch-export."
            )


@dataclass(frozen=True)
class Exported:
    """The result of an export.

    Attributes:
        path: The file.
        sidecar: The JSON file beside it.
        cases: The comparisons with its source.
        dynamic: Which of "batch" and "size" are dynamic.
        notes: What a user should know, such as why a size is fixed.
        what: What was given to it, such as "images".
    """

    path: Path
    sidecar: Path
    cases: Sequence[Case]
    dynamic: tuple[str, ...]
    notes: Sequence[str]
    what: str

    @property
    def passed(self) -> bool:
        """Whether the file agrees with its source."""
        return all(case.passed for case in self.cases)

    def table(self) -> str:
        """The files, and the largest differences of each output, in lines to read."""
        lines = [
            *_broken("file", f"{self.path}", f"({self.path.stat().st_size / 1e6:.1f} MB)"),
            f"  sidecar   {self.sidecar}",
            f"  dynamic   {', '.join(self.dynamic) or 'none'}",
            *(line for note in self.notes for line in _broken("note", *note.split())),
            f"  {'output':<28} {'largest diff.':>13} {'relative':>10} {'allowed':>10}",
        ]
        for one in worst(self.cases):
            mark = "" if one.passed else "  TOO LARGE"
            lines.append(
                f"  {one.output:<28} {one.absolute:>13.3g} {one.relative:>10.2g} "
                f"{one.tolerance:>10.2g}{mark}"
            )
        shapes = dict.fromkeys(" x ".join(map(str, (c.batch, *c.size))) for c in self.cases)
        names = dict.fromkeys(c.inputs for c in self.cases)
        lines.append(f"  compared on {' and '.join(names)} {self.what}: {', '.join(shapes)}")
        if not self.passed:
            lines.append("  It differs from its source by more than the tolerance.")
        return "\n".join(lines)


def _broken(name: str, *words: str) -> list[str]:
    """A row of the table, broken between words where it is too long."""
    width = line_width() - _NAME_WIDTH
    first, *more = break_parts(words, width, gap=" ")
    start = f"  {name}".ljust(_NAME_WIDTH)
    return [start + first, *(" " * _NAME_WIDTH + line for line in more)]


def export(
    graph: Graph,
    module: nn.Module,
    description: Mapping[str, Any],
    path: Path,
    options: ExportOptions,
) -> Exported:
    """Export a program, compare the file with its source, and write the JSON beside it.

    Args:
        graph: The program.
        module: The task or backbone that the program computes.
        description: Its description: `ModelDescription`, or `describe_backbone`.
        path: The file to write.
        options: Options of the export.

    Returns:
        The result; the caller checks `passed`.

    Raises:
        ConfigError: An option does not fit the model, or the export fails.
        MissingPackageError: A package is absent.
    """
    graph.check_format(options.format)
    graph.first.check_size(options.size)
    dynamic, notes = choose_dynamic(graph, options)
    job = _Job(graph, module, description, path, options)
    dynamic, cases, failed = job.write_openly(dynamic)
    notes += failed
    facts = {
        **export_facts(
            _in_precision(graph, options.precision),
            path,
            form=options.format,
            precision=options.precision,
            batch=cases[0].batch,
            size=options.size,
            dynamic=dynamic,
            description=description,
            licence=options.licence,
        ),
        "notes": list(notes),
        "source": options.source,
        **_runtime(options),
        "model": {
            key: description.get(key) for key in ("task", "backbone", "hyper_parameters", "metrics")
        },
        "verification": verification_facts(cases, job.tolerance),
    }
    return Exported(path, write_sidecar(path, facts), cases, dynamic, notes, graph.first.name)


def choose_dynamic(graph: Graph, options: ExportOptions) -> tuple[tuple[str, ...], list[str]]:
    """Choose the dynamic axes; notes explain which axes the model fixes.

    Raises:
        ConfigError: The model does not allow the requested dynamic axes.
    """
    if options.format == "safetensors":
        return AXES, []
    if options.dynamic is None:
        notes = [f"{axis} is fixed: {reason}" for axis, reason in graph.fixed.items()]
        return tuple(axis for axis in AXES if axis not in graph.fixed), notes
    for axis in options.dynamic:
        if axis in graph.fixed:
            raise ConfigError(f"dynamic={axis!r} is not possible here: {graph.fixed[axis]}.")
    return tuple(axis for axis in AXES if axis in options.dynamic), []


@dataclass(frozen=True)
class _Job:
    """One export: its program, file and options; see `export`."""

    graph: Graph
    module: nn.Module
    description: Mapping[str, Any]
    path: Path
    options: ExportOptions

    @property
    def tolerance(self) -> float:
        """The largest allowed relative difference."""
        given = self.options.tolerance
        return TOLERANCES[self.options.precision] if given is None else given

    def write_openly(
        self, dynamic: tuple[str, ...]
    ) -> tuple[tuple[str, ...], list[Case], list[str]]:
        """`write`, with fewer dynamic axes if none were requested and more do not work.

        Returns:
            The dynamic axes, the cases, and a note for each failed attempt.
        """
        notes: list[str] = []
        while True:
            try:
                return dynamic, self.write(dynamic), notes
            except ConfigError as error:
                asked = self.options.dynamic is not None or self.options.format == "safetensors"
                if asked or not dynamic:
                    raise
                notes.append(f"{dynamic[-1]} is fixed, since with it open: {error}")
                dynamic = dynamic[:-1]

    def write(self, dynamic: tuple[str, ...]) -> list[Case]:
        """Write the file and compare it; returns the cases, the traced shape first."""
        options, graph = self.options, self.graph
        # Exporters treat a batch of one as a constant.
        batch = max(options.batch, 2) if "batch" in dynamic else options.batch
        # A safetensors file has no shapes of its own: axes that the program fixes are not varied.
        varied = tuple(axis for axis in dynamic if axis not in graph.fixed)
        traced = _in_precision(graph, options.precision)
        shape = (batch, graph.first.channels, *options.size)
        example = torch.zeros(shape, dtype=traced.first.dtype)
        with sampling_by(options.sampling):
            run = self.write_format(traced, example, dynamic)
        return verify(
            lambda images, *beside: run(images.to(traced.first.dtype), *beside),
            graph,
            shapes=verified_shapes(options.size, batch, varied),
            tolerance=self.tolerance,
            images=options.images,
        )

    def write_format(self, traced: Graph, example: Tensor, dynamic: tuple[str, ...]) -> Runner:
        """Write the file; returns a function that runs it.

        Args:
            traced: The program in the precision of the file.
            example: Its first input.
            dynamic: The dynamic axes.
        """
        options, graph, path = self.options, self.graph, self.path
        if options.format == "onnx":
            opset, exporter = options.opset, options.exporter
            export_onnx(traced, example, path, dynamic=dynamic, opset=opset, exporter=exporter)
            session = open_session(path)
            return lambda *inputs: run_onnx(session, *inputs)
        if options.format == "torch-export":
            export_program(traced, example, path, dynamic=dynamic)
            program = open_program(path)
            return lambda *inputs: graph.named(program(*inputs))
        dtype = getattr(torch, options.precision)
        export_tensors(self.module, dict(self.description), path, dtype=dtype)
        reloaded = reload_tensors(graph, self.module, path)

        def run(images: Tensor, *beside: Tensor) -> dict[str, Tensor]:
            with torch.no_grad():
                return graph.named(reloaded(images.to(graph.first.dtype), *beside))

        return run


def _in_precision(graph: Graph, precision: str) -> Graph:
    """The program in a precision: itself for float32, a copy for others."""
    if precision == "float32":
        return graph
    dtype = getattr(torch, precision)
    copied = copy.deepcopy(graph).to(dtype)
    if copied.first.normalised:
        copied.first = replace(copied.first, dtype=dtype)
    return copied


def _runtime(options: ExportOptions) -> dict[str, Any]:
    if options.format == "onnx":
        return {
            "exporter": f"torch.onnx.export(dynamo={options.exporter == 'dynamo'})",
            "opset": options.opset,
            "least_runtime": f"onnxruntime {least_runtime(options.opset, options.exporter)}",
        }
    if options.format == "torch-export":
        return {
            "exporter": "torch.export.export",
            "opset": None,
            # A program may use operators that an earlier torch lacks.
            "least_runtime": f"torch {torch.__version__}",
        }
    return {"exporter": "safetensors", "opset": None, "least_runtime": "safetensors 0.4"}


def _known(option: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise ConfigError(
            f"{option}={value!r} is not one of {', '.join(choices)}.{suggest(value, choices)}"
        )
