"""Latency and throughput of a model in several engines.

All engines compute the same exported graph: a trained model from uint8 images to results, or a
backbone from normalised images to its vector or maps. At each batch size every engine is built for
it and compared with eager PyTorch; the engines that agree are then timed in turn, round by round,
so that other load on the machine affects all of them. The batch size starts at 1 and doubles; an
engine whose images per second no longer grow is left out from there on. Rows are of calls: their
median, and the percentiles that a user waits for, each beside eager's.
"""

import logging
import math
import statistics
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from vision.backbones.registry import check_input, create_backbone, list_backbones
from vision.benchmarks.computing import Computing
from vision.benchmarks.engines import ENGINES, Run, Skipped, difference
from vision.benchmarks.measurement import Measurement, begin
from vision.benchmarks.memory import peak_allocated
from vision.benchmarks.results import Table
from vision.benchmarks.timing import Times, times
from vision.export.backbone import BackboneGraph
from vision.export.graph import Graph
from vision.export.whole import whole_model

PERCENTS = (90, 95, 99)
# Throughput has stopped growing when doubling the batch multiplies it by less than this.
MIN_GAIN = 1.03
EAGER = "eager"


@dataclass(frozen=True, kw_only=True)
class Settings(Computing):
    """Settings of the measurement, beside those of `Computing`.

    Attributes:
        model: Name of a backbone, or what `vision.load` takes.
        engines: Names of `ENGINES`; int8 only where there is a file of it.
        int8: An int8 model in ONNX, or None.
        outputs: `"embedding"` or `"features"` of a backbone.
        size: Height and width in pixels, or three sides in cells; None for the usual ones of the
            model.
        max_batch: Maximum batch size.
    """

    model: str
    engines: Sequence[str]
    int8: Path | None
    outputs: Literal["embedding", "features"]
    size: Sequence[int] | None
    max_batch: int


class Timing(NamedTuple):
    """Times of one engine at one batch size.

    Attributes:
        engine: Its name.
        batch: Images, or volumes, per call.
        times: One time per call.
        peak_mib: Peak memory of PyTorch's allocator on a GPU, over what was held before; None
            where it is not known.
    """

    engine: str
    batch: int
    times: Times
    peak_mib: float | None = None

    @property
    def images_per_second(self) -> float:
        """Throughput by the median time."""
        return self.batch / statistics.median(self.times.wall)


def percentile(values: Sequence[float], percent: float) -> float:
    """The value below which a share of the values lies, between neighbours by a straight line."""
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def measure_latency(settings: Settings) -> Table:
    """Measure a model in its engines.

    Raises:
        ConfigError: The model encodes no images, or the size does not suit it.
    """
    graph, images = build_graph(settings)
    shape = " x ".join(map(str, images.shape[1:]))
    measured = begin(f"Calls of {settings.model} ({graph.kind}), {shape}", settings)
    timings = measure(graph, images, settings, measured)
    for engine in dict.fromkeys(one.engine for one in timings):
        best = max(_of(engine, timings), key=lambda one: one.images_per_second)
        speed = f"{best.images_per_second:.1f} {graph.first.name}/s"
        measured.note(f"best of {engine}: {speed} at batch {best.batch}")
    return measured.table()


def build_graph(settings: Settings) -> tuple[Graph, Tensor]:
    """The program of a checkpoint or of a backbone, and one random image or volume for it."""
    generator = torch.Generator().manual_seed(0)
    if settings.model in list_backbones():
        torch.manual_seed(0)
        backbone = create_backbone(settings.model)
        graph: Graph = BackboneGraph(backbone, outputs=settings.outputs)
        size = settings.size or backbone.default_input.size
    else:
        from vision.predict.load import load

        if not Path(settings.model).exists():
            check_input(settings.model, "image", owner="benchmark latency")
        model = load(settings.model)
        graph = whole_model(model.task)
        usual = graph.own_size or usual_size(model.description["preprocessing"])
        size = settings.size or usual
    graph.first.check_size(size)
    images = graph.first.random(1, size, generator)
    return graph.eval().to(settings.device), images.to(settings.device)


def usual_size(preprocessing: Mapping[str, Any] | None) -> tuple[int, int]:
    """Height and width that evaluation images of the model have, or may have."""
    known = preprocessing or {}
    if "image_size" in known:
        size = known["image_size"]
        return (size, size) if isinstance(size, int) else (size[0], size[1])
    if known.get("short_side"):
        # The longer side of a 4:3 picture, in whole cells of the coarsest map.
        return known["short_side"], 32 * round(known["short_side"] * 4 / 3 / 32)
    return 224, 224


def measure(
    graph: Graph, images: Tensor, settings: Settings, measured: Measurement
) -> list[Timing]:
    """Time all engines from batch 1 to the one of the best throughput.

    Args:
        graph: What is computed.
        images: One image `(1, C, H, W)` on the device, as the graph takes it.
        settings: What is measured.
        measured: Where rows go, and notes of what is not timed.

    Returns:
        The timings, by growing batch.
    """
    timings: list[Timing] = []
    alive = [name for name in settings.engines if name != "int8" or settings.int8 is not None]
    batch = 1
    with tempfile.TemporaryDirectory() as folder, torch.no_grad(), without_chatter():
        while alive and batch <= settings.max_batch:
            many = images.expand(batch, *images.shape[1:]).contiguous()
            engines, skipped = build_all(graph, many, alive, Path(folder), settings.int8)
            for name, reason in skipped.items():
                measured.note(f"{name} at batch {batch} is not timed: {reason}")
            found = measure_batch(engines, many, settings)
            add_rows(measured, found)
            timings += found
            alive = [name for name in engines if still_grows(_of(name, timings))]
            del engines
            batch *= 2
    return timings


def _of(engine: str, timings: Sequence[Timing]) -> list[Timing]:
    return [one for one in timings if one.engine == engine]


def still_grows(timings: Sequence[Timing]) -> bool:
    """Whether the last batch size raised the throughput of an engine."""
    best = [one.images_per_second for one in timings]
    return len(best) < 2 or best[-1] > MIN_GAIN * best[-2]


def build_all(
    graph: Graph, images: Tensor, names: Sequence[str], folder: Path, int8: Path | None
) -> tuple[dict[str, Run], dict[str, str]]:
    """The engines that agree with eager PyTorch, and why the others are absent.

    Args:
        graph: What is computed.
        images: A batch.
        names: The engines.
        folder: For their files.
        int8: An int8 model in ONNX.
    """
    engines: dict[str, Run] = {}
    skipped: dict[str, str] = {}
    expected: tuple[Tensor, ...] | None = None
    for name in names:
        try:
            if expected is None:
                expected = graph(*graph.arguments(images))
            run = ENGINES[name](graph, images, folder, int8)
            lists = graph.unordered
            wrong = difference(run(images), expected, int8=name == "int8", lists=lists)
        except Skipped as reason:
            wrong = str(reason)
        # Compilers and exporters raise any error, and one must not stop the others.
        except Exception as error:
            lines = str(error).strip().splitlines() or [""]
            wrong = f"{type(error).__name__}: {lines[0][:200]}"
        if wrong is None:
            engines[name] = run
        else:
            skipped[name] = wrong
    return engines, skipped


def measure_batch(engines: Mapping[str, Run], images: Tensor, settings: Settings) -> list[Timing]:
    """Time engines in turn."""
    runs = [partial(run, images) for run in engines.values()]
    found = times(runs, images.device, rounds=settings.rounds, warmup=settings.warmup)
    # PyTorch's allocator knows nothing of what onnxruntime holds.
    peaks = [
        peak_allocated(run) if images.is_cuda and name not in ("onnxruntime", "int8") else None
        for name, run in zip(engines, runs, strict=True)
    ]
    given = zip(engines, found, peaks, strict=True)
    return [Timing(name, len(images), taken, peak) for name, taken, peak in given]


def add_rows(measured: Measurement, timings: Sequence[Timing]) -> None:
    """Add the rows of all engines at one batch size, each beside eager where that is timed."""
    eager = next((one for one in timings if one.engine == EAGER), None)
    for one in timings:
        sides = [one] if eager is None or one is eager else [one, eager]
        label, peer = f"{one.engine} at batch {one.batch}", EAGER if len(sides) > 1 else ""
        measured.add_times(label, [side.times for side in sides], peer=peer, of="call")
        for percent in PERCENTS:
            values = [1e3 * percentile(side.times.wall, percent) for side in sides]
            measured.add_counts(f"{label}, p{percent}", "ms/call", values, peer)
        known = [side.peak_mib for side in sides if side.peak_mib is not None]
        if len(known) == len(sides):
            measured.add_counts(f"{label}, peak", "MiB", known, peer)


@contextmanager
def without_chatter() -> Iterator[None]:
    """Without the warnings of exporters and compilers."""
    compiler = logging.getLogger("torch._dynamo")
    level = compiler.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compiler.setLevel(logging.ERROR)
        try:
            yield
        finally:
            compiler.setLevel(level)
