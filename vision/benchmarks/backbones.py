"""Backbones beside other implementations of the same networks.

Each peer gets our weights, and its outputs are compared with ours before anything is timed. The
rows of a pair: inference and a training step by the clock and in processor time, bytes that the
forward pass keeps for the backward pass, the most memory that a step holds over what was held
before it, and the number of operators that it calls. A training step is forward and backward pass
without an optimiser; nothing is dropped at random on either side. Last of a backbone come our own
memory modes beside each other.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast, get_args

import torch
from torch import Tensor, nn

from vision.backbones.encoder import MemoryMode
from vision.benchmarks.computing import Computing
from vision.benchmarks.embedding import Embedding
from vision.benchmarks.kept import kept_bytes
from vision.benchmarks.measurement import Measurement, begin, check_equal
from vision.benchmarks.memory import peaks
from vision.benchmarks.operators import count_operators
from vision.benchmarks.peers.sources import choose_sources
from vision.benchmarks.peers.table import (
    SOURCES,
    build_peer,
    our_side,
    sources_of,
    spread_weights,
)
from vision.benchmarks.results import Table

# One backbone of each family that has a peer.
COMPARED = (
    *("swin_tiny", "convnext_tiny", "tnt_small", "cvt_13"),
    *("cswin_tiny", "rmt_tiny", "hornet_tiny_7x7", "hornet_tiny_gf"),
)
TOLERANCE = 1e-4  # of the largest value, in float32
MIB = 2**20
OURS = "ours"
MODES: tuple[MemoryMode, ...] = get_args(MemoryMode)


@dataclass(frozen=True, kw_only=True)
class Settings(Computing):
    """Settings of the measurement, beside those of `Computing`.

    Attributes:
        names: Backbones; one without a peer is measured by itself.
        against: Source of the peers, or `"all"`.
        memory: Memory modes of our training step, each a set of rows.
        batch: Images of a step.
        size: Their side in pixels.
    """

    names: Sequence[str]
    against: str
    memory: Sequence[MemoryMode]
    batch: int
    size: int


def build_side(name: str, source: str, size: int, memory: MemoryMode = "fast") -> nn.Module:
    """One side of a comparison, from images to vectors, with the same weights each time.

    Args:
        name: Name of the backbone.
        source: `OURS`, or a source of a peer.
        size: Side of the images in pixels.
        memory: Memory mode of ours.
    """
    torch.manual_seed(0)
    ours = our_side(name)
    on_meta = any(parameter.is_meta for parameter in ours.parameters())
    if not on_meta:
        spread_weights(ours, torch.Generator().manual_seed(0))
    if source == OURS:
        ours.backbone.set_memory(memory)
        return ours
    peer = build_peer(source, ours.backbone, (size, size))
    if not on_meta:
        peer.copy_weights(ours.backbone)
    return peer


def embed(model: nn.Module, images: Tensor) -> Tensor:
    """One forward pass without gradients, in float32."""
    with torch.inference_mode():
        return model.eval()(images)


def inference(settings: Settings, model: nn.Module, images: Tensor) -> None:
    """One forward pass without gradients."""
    with settings.autocast():
        embed(model, images)


def training(settings: Settings, model: nn.Module, images: Tensor) -> None:
    """One forward and backward pass."""
    model.train().zero_grad(set_to_none=True)
    with settings.autocast():
        loss = model(images).square().mean()
    loss.backward()


# A pass over images, by what is measured.
Pass = Callable[[Settings, nn.Module, Tensor], None]


class Comparison:
    """A backbone, one source of peers, and images.

    Args:
        name: Name of the backbone.
        source: Source of the peer; None to measure ours alone.
        settings: What is measured.
        measured: Where the rows go.
    """

    def __init__(
        self, name: str, source: str | None, settings: Settings, measured: Measurement
    ) -> None:
        self.name, self.source, self.settings, self.measured = name, source, settings, measured
        self.sources = [OURS, source] if source else [OURS]
        self.peer = source or ""
        build = partial(build_side, name, size=settings.size)
        self.sides = [build(one).to(settings.place) for one in self.sources]
        self.images = make_images(settings).to(settings.place)
        self.difference: float | None = None

    def run(self) -> None:
        """Compare outputs, then add all rows.

        Raises:
            UnequalSidesError: The outputs differ.
        """
        if self.source:
            outputs = (embed(side, self.images) for side in self.sides)
            what = f"{self.name} and {self.source}'s"
            self.difference = check_equal(*outputs, tolerance=TOLERANCE, what=what)
        self._time(f"{self.name}, inference", inference)
        self._count(f"{self.name}, inference", inference)
        for memory in self.settings.memory:
            cast(Embedding, self.sides[0]).backbone.set_memory(memory)
            label = f"{self.name}, training, {memory}"
            self._time(label, training)
            kept = [self._kept(source, memory) for source in self.sources]
            self.measured.add_counts(f"{label}, kept", "MiB/image", kept, self.peer)
            self._count(label, training)

    def compare_modes(self) -> None:
        """Add the times of our training step in each other mode beside those in the fast one."""

        def step(memory: MemoryMode) -> None:
            cast(Embedding, self.sides[0]).backbone.set_memory(memory)
            training(self.settings, self.sides[0], self.images)

        for memory in (mode for mode in self.settings.memory if mode != "fast"):
            self.measured.compare(
                f"{self.name}, training, {memory} beside fast",
                partial(step, memory),
                partial(step, "fast"),
                rounds=self.settings.rounds,
                warmup=self.settings.warmup,
                peer="ours, fast",
                per=self.settings.batch,
            )

    def _time(self, label: str, step: Pass) -> None:
        steps = self._steps(step)
        self.measured.compare(
            label,
            *steps,
            rounds=self.settings.rounds,
            warmup=self.settings.warmup,
            peer=self.peer,
            per=self.settings.batch,
            difference=self.difference,
        )

    def _count(self, label: str, step: Pass) -> None:
        steps = self._steps(step)
        add = partial(self.measured.add_counts, peer=self.peer)
        add(f"{label}, peak", "MiB", peaks(steps, self.settings.place, clear=self._clear))
        add(f"{label}, operators", "calls", [count_operators(one).total() for one in steps])

    def _clear(self) -> None:
        for side in self.sides:
            side.zero_grad(set_to_none=True)

    def _steps(self, step: Pass) -> list[Callable[[], None]]:
        return [partial(step, self.settings, side, self.images) for side in self.sides]

    def _kept(self, source: str, memory: MemoryMode) -> float:
        batch, size = self.settings.batch, self.settings.size
        build = partial(build_side, self.name, source, size, memory)
        # Counted on fake tensors of the CPU, whichever the device.
        with self.settings.autocast("cpu"):
            return kept_bytes(build, (batch, 3, size, size)) / MIB / batch


def make_images(settings: Settings) -> Tensor:
    """Random normalised images `(B, 3, size, size)`, the same each time."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(settings.batch, 3, settings.size, settings.size, generator=generator)


def measure_backbones(settings: Settings) -> Table:
    """Measure each backbone beside each of its peers.

    Raises:
        ConfigError: There is no such source of peers.
        MissingPackageError: The source that is asked for is not installed.
        UnequalSidesError: The outputs of a peer differ from ours.
    """
    sources, absent = choose_sources(SOURCES, settings.against)
    # An unknown name ends the command before anything is measured.
    found = {name: sources_of(name, sources) for name in settings.names}
    measured = begin("Backbones beside other implementations", settings)
    for line in absent:
        measured.note(line)
    for name, having in found.items():
        if not having:
            measured.note(f"{name}: no peer, measured by itself")
        sides: Sequence[str | None] = having or (None,)
        for source in sides:
            comparison = Comparison(name, source, settings, measured)
            comparison.run()
        comparison.compare_modes()
    return measured.table()
