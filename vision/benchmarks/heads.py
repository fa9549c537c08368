"""Time and peak memory of heads and of their training steps, for several backbones and sizes.

A head is measured in inference, on the maps that the neck makes of one image; a training step is
forward, loss and backward pass of the whole model. Peak memory on a GPU is PyTorch's allocation
over what was held before; on a CPU, the growth of the resident memory of a fresh process. Where it
is asked for, both are timed in turn with those of a model whose backbone, neck and head are
compiled; the loss, which matches queries on the host, is not.
"""

import contextlib
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch._dynamo.exc import TorchDynamoException

from vision.benchmarks.memory import in_fresh_process, peak_allocated, peak_growth
from vision.benchmarks.timing import medians, print_versions, ratio_interval, seconds, wall_times

# A task and a training batch for it, of a backbone, a number of images, and their height and width.
Build = Callable[[str, int, tuple[int, int]], tuple[Any, dict[str, Any]]]
COLUMNS = ("head, ms", "step, ms", "head, MiB", "step, MiB")
MODES = ("head", "step")


@dataclass(frozen=True)
class Settings:
    """Settings of the measurement.

    Attributes:
        backbones: Names of the backbones.
        sizes: Heights and widths of the images in pixels.
        batch: Images of a training step.
        rounds: Measured runs of each.
        warmup: Runs before them.
        threads: Threads of PyTorch.
        precision: `"fp32"` or `"bf16"`.
        device: Where to compute.
        compile: Whether to time eager against `torch.compile` too.
        beside: Entries of a batch that the heads take beside the maps.
    """

    backbones: Sequence[str]
    sizes: Sequence[tuple[int, int]]
    batch: int
    rounds: int
    warmup: int
    threads: int
    precision: str
    device: str
    compile: bool = False
    beside: Sequence[str] = ()


class HeadBenchmark:
    """A model and a batch for it.

    Args:
        build: Builds both.
        backbone: Name of the backbone.
        size: Height and width of the images in pixels.
        settings: What is measured.
    """

    def __init__(
        self, build: Build, backbone: str, size: tuple[int, int], settings: Settings
    ) -> None:
        torch.manual_seed(0)
        torch.set_num_threads(settings.threads)
        self.device = torch.device(settings.device)
        self.bf16 = settings.precision == "bf16"
        self.task, batch = build(backbone, settings.batch, size)
        # Nothing is logged where there is no trainer.
        self.task.log_losses = _sum
        self.task.to(self.device)
        self.batch = {
            key: value.to(self.device) if isinstance(value, Tensor) else value
            for key, value in batch.items()
        }
        with torch.inference_mode(), self._autocast():
            self.task.eval()
            self.maps = self.task.neck(self.task.backbone(self.batch["image"][:1]))
        self.beside = [self.batch[key][:1] for key in settings.beside]

    def compile(self) -> None:
        """Compile the model in place, for its size alone."""
        for part in (self.task.backbone, self.task.neck, self.task.head):
            part.compile(dynamic=False)

    def run(self, mode: str) -> None:
        """The head in inference, or a training step."""
        if mode == "head":
            self.task.eval()
            with torch.inference_mode(), self._autocast():
                self.task.head(self.maps, *self.beside)
            return
        self.task.train()
        self.task.zero_grad(set_to_none=True)
        with self._autocast():
            loss = self.task.training_step(self.batch, 0)
        loss.backward()

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16)


def measure_heads(builds: Mapping[str, Build], settings: Settings) -> None:
    """Print a row for each backbone, head and size.

    Args:
        builds: Builds the models of each head, by the name that is printed; functions of a module,
            since they are passed to other processes.
        settings: What is measured.
    """
    torch.set_num_threads(settings.threads)
    print_versions()
    print(f"{settings.precision}, {settings.batch} images per training step, medians")
    print(f"{'':44}", *(f"{column:>10}" for column in COLUMNS))
    for size in settings.sizes:
        for backbone in settings.backbones:
            for name, build in builds.items():
                row = [f"{value:10.1f}" for value in measure_one(build, backbone, size, settings)]
                label = f"{backbone}, {name}, {size[0]} x {size[1]}"
                print(f"{label:44}", *row, flush=True)
                if settings.compile:
                    print_compiled(build, backbone, size, settings)


def measure_one(
    build: Build, backbone: str, size: tuple[int, int], settings: Settings
) -> list[float]:
    """The values of `COLUMNS`."""
    if torch.device(settings.device).type == "cuda":
        bench = HeadBenchmark(build, backbone, size, settings)
        times = _times(bench, settings)
        return times + [peak_allocated(partial(bench.run, mode)) for mode in MODES]
    # What one process has freed and kept would leave less memory to the next.
    arguments = (build, backbone, size, settings)
    found = [in_fresh_process(_measure_fresh, *arguments, mode) for mode in MODES]
    return [milliseconds for milliseconds, _ in found] + [growth for _, growth in found]


def print_compiled(build: Build, backbone: str, size: tuple[int, int], settings: Settings) -> None:
    """Print the time of head and step over that of the compiled ones, or why there is none."""
    torch.compiler.reset()
    eager, compiled = (HeadBenchmark(build, backbone, size, settings) for _ in range(2))
    compiled.compile()
    for mode in MODES:
        label = f"  {mode}, eager over compiled"
        try:
            compiled.run(mode)
        except TorchDynamoException as error:
            print(f"{label:44} cannot be compiled: {str(error).strip().splitlines()[0]}")
            continue
        times = wall_times(
            [partial(side.run, mode) for side in (compiled, eager)],
            eager.device,
            rounds=settings.rounds,
            warmup=settings.warmup,
        )
        ours, theirs = map(statistics.median, times)
        low, high = ratio_interval(*times)
        interval = f"95 % interval {low:.2f} to {high:.2f}"
        print(f"{label:44} {theirs / ours:10.2f} {interval}", flush=True)


def _times(bench: HeadBenchmark, settings: Settings) -> list[float]:
    """Median milliseconds of each of `MODES`."""
    return [
        1e3 * value
        for mode in MODES
        for value in medians(
            [partial(bench.run, mode)],
            bench.device,
            rounds=settings.rounds,
            warmup=settings.warmup,
        )
    ]


def _measure_fresh(
    build: Build, backbone: str, size: tuple[int, int], settings: Settings, mode: str
) -> tuple[float, float]:
    """Median milliseconds of a mode, and the MiB by which its first run makes a process grow."""
    bench = HeadBenchmark(build, backbone, size, settings)
    times: list[float] = []

    def run() -> None:
        times.append(seconds(partial(bench.run, mode), bench.device))

    growth = peak_growth(run)
    for _ in range(settings.rounds + settings.warmup - 1):
        run()
    return 1e3 * statistics.median(times[settings.warmup :]), growth


def _sum(stage: str, terms: Mapping[str, Tensor], count: int) -> Tensor:
    return torch.stack(tuple(terms.values())).sum()
