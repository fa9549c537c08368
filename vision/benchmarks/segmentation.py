"""UPerNet beside mmsegmentation's and transformers', with the same weights.

mmsegmentation: both sides share one backbone; the decode head, the auxiliary FCN head and the cross
entropy are each side's own. transformers: the backbone is each side's own too. Logits and the
losses of a training step are compared before anything is timed. A training step is forward, loss
and backward pass; inference ends in the class of each pixel.
"""

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from vision.benchmarks.computing import Computing
from vision.benchmarks.measurement import Measurement, begin, check_equal
from vision.benchmarks.peers.sources import choose_sources
from vision.benchmarks.peers.upernet import SOURCES, Ours, Segmentor, build_sides
from vision.benchmarks.results import Table
from vision.benchmarks.two_sides import add_modes
from vision.contracts.segmentation import IGNORED

CLASSES = 150
# Of the largest value, in float32.
TOLERANCE = 1e-4


@dataclass(frozen=True, kw_only=True)
class Settings(Computing):
    """Settings of the measurement, beside those of `Computing`.

    Attributes:
        against: Whose UPerNets are beside ours, of `peers.upernet.SOURCES`, or `"all"`.
        backbone: Name of the backbone of both sides.
        batch: Images of a step; 2 or more, since the norm of their pooled maps refuses one value.
        size: Side of the images in pixels.
        channels_last: Whether both sides have that memory format.
    """

    against: str
    backbone: str
    batch: int
    size: int
    channels_last: bool


class Benchmark:
    """Both sides, and a batch for them.

    Args:
        settings: What is measured.
        source: Whose UPerNet is the other side.
    """

    def __init__(self, settings: Settings, source: str) -> None:
        torch.manual_seed(0)
        torch.set_num_threads(settings.threads)
        self.settings = settings
        build = partial(build_sides, classes=CLASSES, size=settings.size)
        self.sides: tuple[Ours, Segmentor] = build(settings.backbone, source)
        self.batch = {
            k: v.to(settings.place) for k, v in make_batch(settings.batch, settings.size).items()
        }
        layout = torch.channels_last if settings.channels_last else torch.contiguous_format
        for side in self.sides:
            side.to(settings.place).to(memory_format=layout)
        self.batch["image"] = self.batch["image"].contiguous(memory_format=layout)

    def compare(self, what: str) -> float:
        """The largest difference of the logits, and of the losses of a training step.

        Raises:
            UnequalSidesError: They differ by more than rounding.
        """
        with torch.inference_mode():
            logits = [side.eval()(self.batch["image"]) for side in self.sides]
        # Each side's norms take the statistics of the same batch.
        with torch.no_grad():
            losses = [side.train().loss(self.batch) for side in self.sides]
        return check_equal(*zip(logits, losses, strict=True), tolerance=TOLERANCE, what=what)

    def clear(self) -> None:
        """Drop all gradients; the sides may share a backbone."""
        for side in self.sides:
            side.zero_grad(set_to_none=True)

    def step(self, mode: str, number: int) -> None:
        """Inference, or forward, loss and backward pass, of ours (0) or theirs (1)."""
        side = self.sides[number].train(mode == "training")
        self.clear()
        if mode == "inference":
            with torch.inference_mode(), self.settings.autocast():
                side.classes(self.batch)
            return
        with self.settings.autocast():
            loss = side.loss(self.batch)
        loss.backward()


def make_batch(count: int, side: int) -> dict[str, Tensor]:
    """Random normalised images and labels in patches, a tenth of them ignored."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, CLASSES, (count, 1, 16, 16), generator=generator)
    labels[torch.rand(labels.shape, generator=generator) < 0.1] = IGNORED
    size = torch.tensor([[side, side]] * count)
    return {
        "image": torch.randn(count, 3, side, side, generator=generator),
        "mask": F.interpolate(labels.float(), size=(side, side))[:, 0].long(),
        "size": size,
        "original_size": size,
    }


def measure_segmentation(settings: Settings) -> Table:
    """Measure UPerNet beside each of the others.

    Raises:
        ConfigError: There is no such source, or it has no such backbone.
        MissingPackageError: The source that is asked for is not installed.
        UnequalSidesError: The logits or losses of a side differ.
    """
    sources, absent = choose_sources(SOURCES, settings.against)
    measured = begin("UPerNet beside other implementations", settings)
    for line in absent:
        measured.note(line)
    for source in sources:
        add_upernet(measured, source, settings)
    return measured.table()


def add_upernet(measured: Measurement, source: str, settings: Settings) -> None:
    """Add the rows of UPerNet beside one of the others."""
    both = Benchmark(settings, source)
    label = f"UPerNet on {settings.backbone}"
    difference = both.compare(f"{label} and {source}'s")
    add_modes(
        measured, both, label, settings, peer=source, per=settings.batch, difference=difference
    )
