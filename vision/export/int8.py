"""A trained model as an int8 ONNX file: its accuracy and speed beside those of the float model."""

import copy
import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from vision.errors import ConfigError
from vision.export.accuracy import alike, measure_accuracy
from vision.export.canvas import Run
from vision.export.graph import Graph
from vision.export.onnx import OPSET, export_onnx, least_runtime, open_session, run_onnx
from vision.export.quantize import DEFAULTS, QuantizeOptions, quantize_onnx
from vision.export.score import Score
from vision.export.sidecar import export_facts
from vision.export.whole import whole_model
from vision.task_parts import find_part
from vision.wording import counted

DYNAMIC = ("batch", "size")


@dataclass(frozen=True, kw_only=True)
class Int8Options:
    """How an int8 model is made and measured.

    Attributes:
        quantize: How ranges and nodes are chosen.
        calibrate: Which images give the ranges.
        images: Number of them, or of volumes; fewer where the set is smaller.
        canvas: The sides of all images, for a model of one size; None uses the usual ones.
        limit: Number of validation images or volumes; None for all.
        rounds: Number of timed batches.
        max_drop: How much worse the metric may become, in its unit; None takes that of the metric.
    """

    quantize: QuantizeOptions = DEFAULTS
    calibrate: Literal["train", "val"] = "train"
    images: int = 128
    canvas: tuple[int, ...] | None = None
    limit: int | None = None
    rounds: int = 20
    max_drop: float | None = None


def make_int8(
    model: Any, data: Any, target: Path, score: Callable[..., Score], options: Int8Options
) -> dict[str, Any]:
    """Write an int8 model, and run it and the float model on the validation set.

    Args:
        model: What `vision.load` returns.
        data: The datamodule.
        target: The ONNX file to write.
        score: Makes the metric from the task and the datamodule.
        options: How.

    Returns:
        The facts for the JSON file beside it.

    Raises:
        ConfigError: The model or an option does not allow it.
        MissingPackageError: onnxruntime or onnx is not installed.
    """
    builder = find_part(model.task, "export_graph")
    builder.check_format("onnx")
    logits = builder.scored_logits
    graph = whole_model(model.task, logits=logits)
    canvas, key = find_canvas(graph, model, options.canvas), graph.first.key
    if canvas is not None:
        graph.first.check_size(canvas)
    inputs = _calibration_inputs(
        graph, calibration_parts(data, options.calibrate, options.images, key=key), canvas
    )
    with tempfile.TemporaryDirectory() as folder:
        before = Path(folder) / f"{model.path.stem}.onnx"
        first = next(inputs)
        dynamic = export_float(graph, first[0], before)
        made = quantize_onnx(
            before, target, itertools.chain([first], inputs), options=options.quantize
        )
        runs: dict[str, Run] = {
            name: partial(run_onnx, open_session(path))
            for name, path in (("float", before), ("int8", target))
        }
        data.setup("validate")
        accuracy, count = measure_accuracy(
            runs if canvas is None else {n: graph.on_all(r, canvas) for n, r in runs.items()},
            data.val_dataloader(),
            score=partial(score, model.task, data),
            limit=options.limit,
            arguments=graph.arguments,
            key=key,
        )
        times = measure_times(runs, first, options.rounds)
        float_bytes = before.stat().st_size
    measure = score(model.task, data)
    return {
        **_describe(model, graph, made.path, tuple(first[0].shape[2:]), dynamic),
        "accuracy": {
            "metric": measure.metric,
            "better": measure.better,
            "unit": measure.unit,
            **accuracy,
            "drop": measure.drop(accuracy["float"], accuracy["int8"]),
            "max_drop": measure.max_drop if options.max_drop is None else options.max_drop,
            "images": count,
            "of": graph.first.name,
        },
        "float_bytes": float_bytes,
        "milliseconds": {**times, "batch": 1, "threads": os.cpu_count()},
        "nodes": {"int8": made.quantized, "candidates": made.candidates},
        "calibration": {
            "from": options.calibrate,
            "images": made.images,
            "of": graph.calibrated,
            **vars(options.quantize),
        },
    }


def _calibration_inputs(
    graph: Graph, parts: Iterable[Mapping[str, Any]], canvas: tuple[int, ...] | None
) -> Iterator[tuple[Tensor, ...]]:
    """All inputs of the program for parts of batches."""
    for part in parts:
        images = part[graph.first.key]
        if canvas is None:
            yield graph.arguments(images, part)
        else:
            yield from ((one,) for one in graph.parts(images, canvas))


def find_canvas(graph: Graph, model: Any, given: tuple[int, ...] | None) -> tuple[int, ...] | None:
    """The sides of all images of a program of one size; None for one of any size.

    Raises:
        ConfigError: One is given for a program of any size, or none is known.
    """
    if "size" in graph.fixed and not graph.one_size:
        return given or graph.usual_size(model.preprocessing or {})
    if given is not None:
        raise ConfigError(f"--canvas is for models of one size; this {model.kind} accepts any.")
    return None


def calibration_parts(
    data: Any, source: str, count: int, *, key: str = "image"
) -> Iterator[dict[str, Any]]:
    """Images or volumes to calibrate with, as evaluation prepares them, in batches.

    Args:
        data: The datamodule.
        source: "train" or "val".
        count: Number of images; fewer where the set is smaller.
        key: Of the images or volumes in a batch.

    Yields:
        A batch of one, since their sizes may differ: uint8 `(1, 3, H, W)`, or float32 volumes
        `(1, C, D, H, W)`.
    """
    data.setup("fit" if source == "train" else "validate")
    dataset = copy.copy(data.train_dataset if source == "train" else data.val_dataset)
    if hasattr(dataset, "transform") and hasattr(data, "eval_transform"):
        dataset.transform = data.eval_transform
    elif hasattr(dataset, "augment"):
        dataset.augment = False
    # Spread over the set, whose order may be that of the classes.
    places = torch.linspace(0, len(dataset) - 1, min(count, len(dataset))).long().tolist()
    loader = DataLoader(dataset, sampler=places, collate_fn=data.collate)
    for batch in loader:
        yield from alike(batch, key)


def export_float(graph: Graph, example: Tensor, path: Path) -> tuple[str, ...]:
    """Write the float model; returns which axes are dynamic."""
    dynamic = tuple(axis for axis in DYNAMIC if axis not in graph.fixed)
    # Of a batch of one, the exporter would take its length for a constant.
    count = 2 if "batch" in dynamic else 1
    examples = example[:1].expand(count, *example.shape[1:]).contiguous()
    export_onnx(graph, examples, path, dynamic=dynamic)
    return dynamic


def measure_times(
    runs: Mapping[str, Callable[..., object]], inputs: Sequence[Tensor], rounds: int
) -> dict[str, float]:
    """Median milliseconds of each model for a batch, in turn, after a warm-up of two rounds."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds + 2):
        for name, run in runs.items():
            start = time.perf_counter()
            run(*inputs)
            times[name].append(1e3 * (time.perf_counter() - start))
    return {name: statistics.median(measured[2:]) for name, measured in times.items()}


def _describe(
    model: Any, graph: Graph, path: Path, size: tuple[int, ...], dynamic: Sequence[str]
) -> dict[str, Any]:
    """What the file of an export says too, as plain values."""
    described = model.description
    facts = export_facts(
        graph,
        path,
        form="onnx",
        precision="int8",
        batch=1,
        size=size,
        dynamic=dynamic,
        description=described,
        licence=None,
    )
    return {
        **facts,
        "opset": OPSET,
        "least_runtime": f"onnxruntime {least_runtime(OPSET)}",
        "classes": list(model.class_names),
        "model": {name: described[name] for name in ("task", "backbone", "step", "metrics")},
        "source": str(model.path),
    }


def int8_table(facts: Mapping[str, Any]) -> str:
    """Both models in a few lines: the metric, the sizes of their files, the times of a batch.

    Args:
        facts: Those of `make_int8`.
    """
    accuracy, times = facts["accuracy"], facts["milliseconds"]
    megabytes = facts["float_bytes"] / 1e6, facts["bytes"] / 1e6
    change = accuracy["int8"] - accuracy["float"]
    named = f"{accuracy['metric']}, {accuracy['unit']}" if accuracy["unit"] else accuracy["metric"]
    lower = " (lower is better)" if accuracy["better"] == "lower" else ""
    smaller = megabytes[0] / megabytes[1]
    faster = times["float"] / times["int8"]
    nodes, calibration = facts["nodes"], facts["calibration"]
    return "\n".join(
        (
            f"{'':24} {'float':>10} {'int8':>10}",
            f"{named:24} {accuracy['float']:10.4f} {accuracy['int8']:10.4f}"
            f"   difference {change:+.4f}{lower} on {counted(accuracy['images'], accuracy['of'])}",
            f"{'file, MB':24} {megabytes[0]:10.2f} {megabytes[1]:10.2f}   {smaller:.2f}x smaller",
            f"{'batch of 1, ms':24} {times['float']:10.2f} {times['int8']:10.2f}"
            f"   {faster:.2f}x as fast",
            f"{nodes['int8']} of {nodes['candidates']} nodes in int8, calibrated on "
            f"{calibration['images']} {calibration['from']} {calibration['of']} "
            f"({calibration['calibration']})",
        )
    )
