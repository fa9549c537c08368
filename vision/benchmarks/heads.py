"""Time and peak memory of heads and of their training steps, for several backbones and sizes.

A head is measured in inference, on the maps that the neck makes of one image; a training step is
forward, loss and backward pass of the whole model. Where it is asked for, both are timed in turn
with those of a model whose backbone, neck and head are compiled; the loss, which matches queries on
the host, is not.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch._dynamo.exc import TorchDynamoException

from vision.benchmarks.computing import Computing
from vision.benchmarks.measurement import Measurement
from vision.benchmarks.memory import peaks

# A task and a training batch for it, of a backbone, a number of images, and their height and width.
Build = Callable[[str, int, tuple[int, int]], tuple[Any, dict[str, Any]]]
MODES = ("head", "step")


@dataclass(frozen=True, kw_only=True)
class Settings(Computing):
    """Settings of the measurement, beside those of `Computing`.

    Attributes:
        backbones: Names of the backbones.
        sizes: Heights and widths of the images in pixels.
        batch: Images of a training step.
        compile: Whether to time eager against `torch.compile` too.
        beside: Entries of a batch that the heads take beside the maps.
    """

    backbones: Sequence[str]
    sizes: Sequence[tuple[int, int]]
    batch: int
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
        self.settings = settings
        self.task, batch = build(backbone, settings.batch, size)
        # Nothing is logged where there is no trainer.
        self.task.log_losses = _sum
        self.task.to(settings.place)
        self.batch = {
            key: value.to(settings.place) if isinstance(value, Tensor) else value
            for key, value in batch.items()
        }
        with torch.inference_mode(), settings.autocast():
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
            with torch.inference_mode(), self.settings.autocast():
                self.task.head(self.maps, *self.beside)
            return
        self.task.train()
        self.task.zero_grad(set_to_none=True)
        with self.settings.autocast():
            loss = self.task.training_step(self.batch, 0)
        loss.backward()


def measure_heads(measured: Measurement, builds: Mapping[str, Build], settings: Settings) -> None:
    """Add rows for each backbone, head and size.

    Args:
        measured: Where the rows go.
        builds: Builds the models of each head, by the name that rows have.
        settings: What is measured.
    """
    for size in settings.sizes:
        for backbone in settings.backbones:
            for name, build in builds.items():
                bench = HeadBenchmark(build, backbone, size, settings)
                for mode in MODES:
                    label, shown = f"{backbone}, {name} {mode}", f"at {size[0]} x {size[1]}"
                    run = partial(bench.run, mode)
                    measured.compare(
                        f"{label} {shown}",
                        run,
                        rounds=settings.rounds,
                        warmup=settings.warmup,
                        per=_images(mode, settings),
                    )
                    found = peaks([run], settings.place, clear=bench.task.zero_grad)
                    measured.add_counts(f"{label}, peak {shown}", "MiB", found)
                del bench, run
                if settings.compile:
                    add_compiled(measured, f"{backbone}, {name}", build, backbone, size, settings)


def add_compiled(
    measured: Measurement,
    label: str,
    build: Build,
    backbone: str,
    size: tuple[int, int],
    settings: Settings,
) -> None:
    """Add rows of the compiled head and step beside the eager ones, or a note why there are none.

    Args:
        measured: Where they go.
        label: Of backbone and head.
        build: Builds the model.
        backbone: Name of the backbone.
        size: Height and width of the images in pixels.
        settings: What is measured.
    """
    torch.compiler.reset()
    eager, compiled = (HeadBenchmark(build, backbone, size, settings) for _ in range(2))
    compiled.compile()
    for mode in MODES:
        try:
            compiled.run(mode)
        except TorchDynamoException as error:
            reason = str(error).strip().splitlines()[0]
            measured.note(f"{label} {mode} cannot be compiled: {reason}")
            continue
        measured.compare(
            f"{label} {mode}, compiled at {size[0]} x {size[1]}",
            *(partial(side.run, mode) for side in (compiled, eager)),
            rounds=settings.rounds,
            warmup=settings.warmup,
            peer="eager",
            per=_images(mode, settings),
        )


def _images(mode: str, settings: Settings) -> int:
    return 1 if mode == "head" else settings.batch


def _sum(stage: str, terms: Mapping[str, Tensor], count: int) -> Tensor:
    return torch.stack(tuple(terms.values())).sum()
