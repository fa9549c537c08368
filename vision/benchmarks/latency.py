"""Latency and throughput of a model in several engines.

All engines compute the same exported graph: a trained model from uint8 images to results, or a
backbone from normalised images to its vector or maps. At each batch size every engine is built for
it and compared with eager PyTorch; the engines that agree are then timed in turn, round by round,
so that other load on the machine affects all of them. The batch size starts at 1 and doubles; an
engine whose images per second no longer grow is left out from there on. Times are taken from CUDA
events on a GPU, from the wall clock on a CPU.
"""

import copy
import logging
import math
import shutil
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from vision.backbones.registry import check_input, create_backbone, list_backbones
from vision.export.backbone import BackboneGraph
from vision.export.graph import Graph
from vision.export.onnx import export_onnx
from vision.export.sidecar import versions
from vision.export.whole import whole_model
from vision.machine import cpu_name
from vision.metrics.coco.files import write_json

PERCENTS = (50, 90, 95, 99)
# Throughput has stopped growing when doubling the batch multiplies it by less than this.
MIN_GAIN = 1.03
# Largest difference of an engine over the largest value of the output, in float32 (other order of
# sums) and in int8.
TOLERANCE, INT8_TOLERANCE = 1e-3, 0.2
# Share of labels, which sums in another order change where two classes tie.
MIN_SAME, INT8_MIN_SAME = 0.995, 0.7
Run = Callable[[Tensor], tuple[Tensor, ...]]


@dataclass(frozen=True)
class Settings:
    """Settings of the measurement.

    Attributes:
        model: Name of a backbone, or what `vision.load` takes.
        engines: Names of `ENGINES`; int8 only where there is a file of it.
        int8: An int8 model in ONNX, or None.
        outputs: `"embedding"` or `"features"` of a backbone.
        size: Height and width in pixels, or three sides in cells; None for the usual ones of the
            model.
        max_batch: Maximum batch size.
        rounds: Measured calls of each engine.
        warmup: Calls before them.
        threads: Threads of PyTorch and onnxruntime; None leaves PyTorch's choice.
        device: Where to compute.
        json: A file for all figures, or None.
    """

    model: str
    engines: Sequence[str]
    int8: Path | None
    outputs: Literal["embedding", "features"]
    size: Sequence[int] | None
    max_batch: int
    rounds: int
    warmup: int
    threads: int | None
    device: str
    json: Path | None


class Timing(NamedTuple):
    """Times of one engine at one batch size.

    Attributes:
        engine: Its name.
        batch: Images, or volumes, per call.
        seconds: One time per call.
        peak_bytes: Peak memory of PyTorch's allocator on a GPU, over what was held before; None
            where it is not known.
    """

    engine: str
    batch: int
    seconds: list[float]
    peak_bytes: int | None

    @property
    def images_per_second(self) -> float:
        """Throughput by the median time."""
        return self.batch / statistics.median(self.seconds)

    def to_dict(self) -> dict[str, Any]:
        """All figures as plain values, times in milliseconds."""
        ms = [1e3 * value for value in self.seconds]
        return {
            "engine": self.engine,
            "batch": self.batch,
            "calls": len(ms),
            "mean_ms": statistics.fmean(ms),
            **{f"p{percent}_ms": percentile(ms, percent) for percent in PERCENTS},
            "images_per_second": self.images_per_second,
            "peak_bytes": self.peak_bytes,
        }


def percentile(values: Sequence[float], percent: float) -> float:
    """The value below which a share of the values lies, between neighbours by a straight line."""
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


class Skipped(Exception):  # noqa: N818, it is no error
    """Why an engine is not measured."""


# -------------------------------------------------------------------------------------- the engines


def build_eager(graph: Graph, images: Tensor, folder: Path, options: Settings) -> Run:
    """PyTorch, operator by operator."""
    return lambda images: graph(*graph.arguments(images))


def build_compiled(graph: Graph, images: Tensor, folder: Path, options: Settings) -> Run:
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


def build_aot(graph: Graph, images: Tensor, folder: Path, options: Settings) -> Run:
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


def build_onnxruntime(graph: Graph, images: Tensor, folder: Path, options: Settings) -> Run:
    """onnxruntime, float, of a model exported for this size only."""
    graph.check_format("onnx")
    path = folder / f"batch_{len(images)}.onnx"
    export_onnx(on_cpu(graph), images.cpu(), path, dynamic=())
    return open_onnx(path, images, graph)


def build_int8(graph: Graph, images: Tensor, folder: Path, options: Settings) -> Run:
    """Onnxruntime with the given int8 model."""
    assert options.int8 is not None, "it is not measured without a file"
    return open_onnx(options.int8, images, graph)


ENGINES: dict[str, Callable[[Graph, Tensor, Path, Settings], Run]] = {
    "eager": build_eager,
    "compiled": build_compiled,
    "aot": build_aot,
    "onnxruntime": build_onnxruntime,
    "int8": build_int8,
}


def need_compiler(images: Tensor) -> None:
    """Raise `Skipped` on a machine without a C++ compiler."""
    if images.device.type == "cpu" and not any(map(shutil.which, ("g++", "clang++", "c++"))):
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


# ------------------------------------------------------------------------------------ the measuring


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


def timed(run: Run, images: Tensor) -> float:
    """Seconds of one call."""
    if not images.is_cuda:
        start = time.perf_counter()
        run(images)
        return time.perf_counter() - start
    events = [torch.cuda.Event(enable_timing=True) for _ in range(2)]
    torch.cuda.synchronize()
    events[0].record()
    run(images)
    events[1].record()
    torch.cuda.synchronize()
    return events[0].elapsed_time(events[1]) / 1e3


def peak_bytes(name: str, run: Run, images: Tensor) -> int | None:
    """Peak memory that one call allocates; known only for PyTorch's own engines on a GPU."""
    if not images.is_cuda or name in ("onnxruntime", "int8"):
        return None
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    run(images)
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


class Report:
    """Timings, and the reasons where there are none.

    Attributes:
        timings: Timing of each engine at each batch size.
        skipped: Per engine and batch size that was not timed, the reason.
    """

    def __init__(self) -> None:
        self.timings: list[Timing] = []
        self.skipped: list[dict[str, Any]] = []

    def skip(self, engine: str, batch: int, reason: str) -> None:
        """Record why an engine is not timed."""
        self.skipped.append({"engine": engine, "batch": batch, "reason": reason})

    def of(self, engine: str) -> list[Timing]:
        """Timings of one engine, by growing batch."""
        return [one for one in self.timings if one.engine == engine]


def measure(graph: Graph, images: Tensor, options: Settings) -> Report:
    """Time all engines from batch 1 to the one of the best throughput.

    Args:
        graph: What is computed.
        images: One image `(1, C, H, W)` on the device, as the graph takes it.
        options: What is measured.
    """
    report = Report()
    alive = [name for name in options.engines if name != "int8" or options.int8 is not None]
    batch = 1
    with tempfile.TemporaryDirectory() as folder, torch.no_grad(), without_chatter():
        while alive and batch <= options.max_batch:
            many = images.expand(batch, *images.shape[1:]).contiguous()
            engines = build_all(graph, many, alive, Path(folder), options, report)
            measure_batch(engines, many, options, report)
            alive = [name for name in engines if still_grows(report.of(name))]
            del engines
            batch *= 2
    return report


def still_grows(timings: Sequence[Timing]) -> bool:
    """Whether the last batch size raised the throughput."""
    best = [one.images_per_second for one in timings]
    return len(best) < 2 or best[-1] > MIN_GAIN * best[-2]


def build_all(
    graph: Graph,
    images: Tensor,
    names: Sequence[str],
    folder: Path,
    options: Settings,
    report: Report,
) -> dict[str, Run]:
    """The engines that agree with eager PyTorch; the report says why the others are absent."""
    engines: dict[str, Run] = {}
    expected: tuple[Tensor, ...] | None = None
    for name in names:
        try:
            if expected is None:
                expected = graph(*graph.arguments(images))
            run = ENGINES[name](graph, images, folder, options)
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
            report.skip(name, len(images), wrong)
    return engines


def measure_batch(
    engines: Mapping[str, Run], images: Tensor, options: Settings, report: Report
) -> None:
    """Time engines in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in engines}
    for i in range(options.warmup + options.rounds):
        for name, run in engines.items():
            elapsed = timed(run, images)
            if i >= options.warmup:
                seconds[name].append(elapsed)
    for name, run in engines.items():
        peak = peak_bytes(name, run, images)
        report.timings.append(Timing(name, len(images), seconds[name], peak))


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


# ------------------------------------------------------------------------------------ the report


def build_graph(options: Settings) -> tuple[Graph, Tensor]:
    """The program of a checkpoint or of a backbone, and one random image or volume for it."""
    generator = torch.Generator().manual_seed(0)
    if options.model in list_backbones():
        torch.manual_seed(0)
        backbone = create_backbone(options.model)
        graph: Graph = BackboneGraph(backbone, outputs=options.outputs)
        size = options.size or backbone.default_input.size
    else:
        from vision.predict.load import load

        if not Path(options.model).exists():
            check_input(options.model, "image", owner="benchmark latency")
        model = load(options.model)
        graph = whole_model(model.task)
        usual = graph.own_size or usual_size(model.description["preprocessing"])
        size = options.size or usual
    graph.first.check_size(size)
    images = graph.first.random(1, size, generator)
    return graph.eval().to(options.device), images.to(options.device)


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


def measure_latency(options: Settings) -> None:
    """Measure, print the table, and write the JSON."""
    if options.threads:
        torch.set_num_threads(options.threads)
    graph, images = build_graph(options)
    device = torch.cuda.get_device_name() if images.is_cuda else cpu_name()
    shown = ", ".join(f"{name} {found}" for name, found in versions().items())
    print(f"{device}, {torch.get_num_threads()} threads, {shown}")
    print(f"{options.model} ({graph.kind}), {' x '.join(map(str, images.shape[1:]))}")
    report = measure(graph, images, options)
    show(report, graph.first.name)
    if options.json:
        contents = {
            "model": options.model,
            "graph": graph.kind,
            "image": list(images.shape[1:]),
            "device": device,
            "threads": torch.get_num_threads(),
            "versions": versions(),
            "warmup": options.warmup,
            "timings": [one.to_dict() for one in report.timings],
            "skipped": report.skipped,
        }
        write_json(contents, options.json)


def show(report: Report, what: str = "images") -> None:
    """Print a row per engine and batch size, and the best of each engine.

    Args:
        report: What was measured.
        what: What is computed, such as "volumes".
    """
    columns = "".join(f"{f'p{percent}':>9}" for percent in PERCENTS)
    print(f"{'engine':12} {'batch':>5} {'mean ms':>9}{columns} {f'{what}/s':>10} {'peak MiB':>9}")
    for one in report.timings:
        row = one.to_dict()
        shown = "".join(f"{row[f'p{percent}_ms']:9.2f}" for percent in PERCENTS)
        peak = "-" if one.peak_bytes is None else f"{one.peak_bytes / 2**20:.1f}"
        print(
            f"{one.engine:12} {one.batch:5} {row['mean_ms']:9.2f}{shown} "
            f"{one.images_per_second:10.1f} {peak:>9}"
        )
    for engine in dict.fromkeys(one.engine for one in report.timings):
        timings = report.of(engine)
        best = max(timings, key=lambda one: one.images_per_second)
        print(f"best of {engine}: {best.images_per_second:.1f} {what}/s at batch {best.batch}")
    for absent in report.skipped:
        print(f"not timed: {absent['engine']} at batch {absent['batch']}: {absent['reason']}")
