"""A measurement of ours beside peers: equal outputs first, then rows as they are measured."""

import datetime
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vision.benchmarks.computing import Computing
from vision.benchmarks.load import LoadMeter
from vision.benchmarks.results import Environment, Row, Table, heading, row_line
from vision.benchmarks.timing import Times, median_ratio, ratio_interval, times
from vision.errors import VisionError
from vision.machine import describe_hardware, describe_repository, list_versions
from vision.program import CLONE

# Beside the suite and Python: what is compared with, and what it computes by.
PACKAGES = (
    *("torch", "torchvision", "lightning", "timm", "transformers", "albumentations"),
    *("mmsegmentation", "pycocotools", "monai", "onnxruntime"),
)
Step = Callable[[], Any]


class UnequalSidesError(VisionError, ValueError):
    """The two sides of a comparison give different outputs, so that their times mean nothing."""


class Measurement:
    """Rows of one run, printed as they are measured.

        measured = Measurement("Backbones", device=place)
        apart = check_equal(ours(images), theirs(images), tolerance=1e-4, what="swin_tiny")
        measured.compare("swin_tiny, inference", ours, theirs, peer="timm", per=4, rounds=7, ...)
        measured.add(Row("swin_tiny, kept", "MiB/image", 76.4, 104.1, peer="timm"))
        return measured.table()

    Args:
        title: What is compared.
        device: Where it is computed.

    Attributes:
        rows: Those so far.
        notes: Lines that belong to the table.
    """

    def __init__(self, title: str, *, device: torch.device | str = "cpu") -> None:
        self.title, self.device = title, torch.device(device)
        self.rows: list[Row] = []
        self.notes: list[str] = []
        self._load = LoadMeter()
        print(self._environment().describe())
        print(heading(), flush=True)

    def add(self, row: Row) -> None:
        """Print and keep a row."""
        self.rows.append(row)
        print(row_line(row), flush=True)

    def add_counts(self, label: str, unit: str, counts: Sequence[float], peer: str = "") -> None:
        """Add a row of counts or of peaks: ours, and the peer's where there is one."""
        ours, *theirs = counts
        self.add(Row(label, unit, ours, theirs[0], peer) if theirs else Row(label, unit, ours))

    def note(self, line: str) -> None:
        """Print and keep a line."""
        self.notes.append(line)
        print(line, flush=True)

    def compare(
        self,
        label: str,
        ours: Step,
        theirs: Step | None = None,
        *,
        rounds: int,
        warmup: int,
        peer: str = "",
        per: int = 1,
        of: str = "image",
        difference: float | None = None,
    ) -> None:
        """Time two sides in turn, and add a row of the clock and one of processor time.

        Args:
            label: What a step does.
            ours: Our step.
            theirs: The peer's; None to measure ours alone.
            rounds: Measured steps of each.
            warmup: Steps of each before them.
            peer: The peer's name.
            per: Images, or whatever `of` says, of a step.
            of: What the times are divided by, such as `"image"`; `"step"` for none.
            difference: What `check_equal` found.
        """
        sides = [ours] if theirs is None else [ours, theirs]
        found = times(sides, self.device, rounds=rounds, warmup=warmup)
        self.add_times(label, found, peer=peer, per=per, of=of, difference=difference)

    def add_times(
        self,
        label: str,
        sides: Sequence[Times],
        *,
        peer: str = "",
        per: int = 1,
        of: str = "image",
        difference: float | None = None,
    ) -> None:
        """Add the same two rows of times that were measured elsewhere; ours come first."""
        make = partial(_time_row, label, peer=peer, per=per, difference=difference)
        self.add(make(f"ms/{of}", [side.wall for side in sides]))
        self.add(make(f"CPU ms/{of}", [side.processor for side in sides]))

    def table(self, command: str = "") -> Table:
        """All rows, and the load of the machine, which is printed."""
        environment = self._environment()
        print(environment.load.describe(), flush=True)
        return Table(self.title, command, environment, tuple(self.rows), tuple(self.notes))

    def _environment(self) -> Environment:
        repository = describe_repository(Path(CLONE))
        return Environment(
            date=datetime.datetime.now(datetime.UTC).date().isoformat(),
            versions=list_versions(PACKAGES),
            hardware=describe_hardware(),
            device=str(self.device),
            threads=torch.get_num_threads(),
            load=self._load.read(),
            commit=repository["commit"][:12] if repository else None,
        )


def begin(title: str, settings: Computing) -> Measurement:
    """The measurement of a benchmark of models, with its threads and on its device.

    Args:
        title: What is compared.
        settings: How it computes.
    """
    torch.set_num_threads(settings.threads)
    shown = title if settings.dtype == "float32" else f"{title}, {settings.dtype}"
    return Measurement(shown, device=settings.device)


def _time_row(
    label: str,
    unit: str,
    sides: Sequence[Sequence[float]],
    *,
    peer: str,
    per: int,
    difference: float | None,
) -> Row:
    ours, *others = ([1e3 * one / per for one in side] for side in sides)
    if not others:
        return Row(label, unit, statistics.median(ours), rounds=len(ours))
    (theirs,) = others
    low, high = ratio_interval(ours, theirs) if len(ours) > 1 else (None, None)
    return Row(
        label,
        unit,
        statistics.median(ours),
        statistics.median(theirs),
        peer,
        median_ratio(ours, theirs),
        low,
        high,
        len(ours),
        difference,
    )


def check_equal(ours: Any, theirs: Any, *, tolerance: float, what: str) -> float:
    """Check that two sides give the same outputs, before they are timed.

    Args:
        ours: Tensors, arrays or numbers, also in lists and dicts.
        theirs: The same of the other side.
        tolerance: Largest difference that is allowed, as a share of the largest value.
        what: What is compared, for the message.

    Returns:
        The largest difference of all tensors, as a share of the largest value of its own.

    Raises:
        UnequalSidesError: They differ by more, or in number or shape.
    """
    left, right = list(_leaves(ours)), list(_leaves(theirs))
    if len(left) != len(right):
        raise UnequalSidesError(
            f"{what}: the sides give {len(left)} and {len(right)} outputs. "
            "They do not do the same work, and are not timed."
        )
    worst = 0.0
    for one, other in zip(left, right, strict=True):
        apart = _difference(torch.as_tensor(one), torch.as_tensor(other), what)
        # Not the other way round: NaN is unequal too.
        if not apart <= tolerance:
            raise UnequalSidesError(
                f"{what}: outputs of the sides differ by {apart:.1e} of their largest value; "
                f"{tolerance:.0e} is allowed. They do not do the same work, and are not timed."
            )
        worst = max(worst, apart)
    return worst


def check_same(ours: Tensor, theirs: Tensor, *, minimum: float, what: str) -> float:
    """Check that labels of two sides are the same, except where rounding decides.

    Args:
        ours: Integers.
        theirs: The same of the other side.
        minimum: Share of them that must be equal.
        what: What is compared, for the message.

    Returns:
        The share that differs.

    Raises:
        UnequalSidesError: Fewer are equal, or they have another shape.
    """
    same = float((ours == theirs).double().mean()) if ours.shape == theirs.shape else 0.0
    if same < minimum:
        raise UnequalSidesError(
            f"{what}: {same:.4%} of the sides' labels are the same; {minimum:.2%} are expected. "
            "They do not do the same work, and are not timed."
        )
    return 1 - same


def _leaves(outputs: Any) -> Iterator[Any]:
    if isinstance(outputs, Mapping):
        # By name: the sides may give them in another order.
        for name in sorted(outputs):
            yield from _leaves(outputs[name])
    elif isinstance(outputs, (list, tuple)):
        for one in outputs:
            yield from _leaves(one)
    else:
        yield outputs


def _difference(ours: Tensor, theirs: Tensor, what: str) -> float:
    if ours.shape != theirs.shape:
        raise UnequalSidesError(
            f"{what}: the sides give shapes {tuple(ours.shape)} and {tuple(theirs.shape)}. "
            "They do not do the same work, and are not timed."
        )
    if not ours.numel():
        return 0.0
    ours, theirs = ours.detach().double().cpu(), theirs.detach().double().cpu()
    largest = theirs.abs().max().clamp_min(1e-12)
    return float((ours - theirs).abs().max() / largest)
