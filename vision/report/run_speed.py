"""The speed of a run, from the times recorded in its folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from vision.documents.json_text import read_json
from vision.errors import DataError
from vision.report.parts import known

ENVIRONMENT = "env.json"
VALIDATION = "val/"


@dataclass(frozen=True, kw_only=True)
class Speed:
    """The speed of a run; None for what is not known.

    Attributes:
        seconds: Time of training with its validations, all starts together.
        steps_per_s: Optimiser steps per second of this time.
        images_per_s: Images per second of this time, counting full batches.
        epoch_s: Seconds from one validation to the next, per epoch; the median.
        hardware: GPUs or processor, and the number of processes.
        precision: Lightning's precision of the run.
        memory_gib: Peak GPU memory of one process.
    """

    seconds: float | None = None
    steps_per_s: float | None = None
    images_per_s: float | None = None
    epoch_s: float | None = None
    hardware: str | None = None
    precision: str | None = None
    memory_gib: float | None = None


def read_speed(
    folder: Path, config: Mapping[str, Any], epochs: Mapping[int, float], notes: list[str]
) -> Speed:
    """Read the speed of a run from `env.json` and the wall times in its TensorBoard logs.

    Args:
        folder: Folder of the run.
        config: Its config, by dotted key.
        epochs: Epoch of each validation, by optimiser step.
        notes: Receives a line for everything that could not be read.
    """
    path = folder / ENVIRONMENT
    starts = _read_starts(path, notes)
    newest = starts[-1] if starts else {}
    timed = [one for one in starts if _is_number(one.get("seconds"))]
    if len(timed) < len(starts):
        killed = len(starts) - len(timed)
        notes.append(
            f"{path}: {killed} of {len(starts)} starts did not end (running, or killed); the "
            "training time is not known"
        )
    stepped = [
        one for one in timed if all(_is_number(one.get(k)) for k in ("first_step", "last_step"))
    ]
    steps = sum(one["last_step"] - one["first_step"] for one in stepped)
    spent = sum(one["seconds"] for one in stepped)
    rate = steps / spent if spent > 0 and steps > 0 else None
    batch = _images_per_step(config, newest.get("processes"))
    memory = newest.get("peak_gpu_memory_gib")
    return Speed(
        seconds=sum(one["seconds"] for one in starts) if starts and timed == starts else None,
        steps_per_s=rate,
        images_per_s=rate * batch if rate and batch else None,
        epoch_s=_epoch_seconds(folder, epochs, notes),
        hardware=_hardware(newest),
        precision=newest.get("precision"),
        memory_gib=known(memory) if _is_number(memory) else None,
    )


def _read_starts(path: Path, notes: list[str]) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    try:
        starts = read_json(path)["starts"]
    except (DataError, KeyError, TypeError) as error:
        notes.append(f"{path}: damaged, {type(error).__name__}: {error}")
        return []
    return [one for one in starts if isinstance(one, dict)] if isinstance(starts, list) else []


def _images_per_step(config: Mapping[str, Any], processes: Any) -> int | None:
    batch, several = config.get("data.batch_size"), config.get("trainer.accumulate_grad_batches")
    if not isinstance(batch, int) or not isinstance(processes, int):
        return None
    return batch * processes * (several if isinstance(several, int) else 1)


def _hardware(start: Mapping[str, Any]) -> str | None:
    found = start.get("hardware")
    if not isinstance(found, Mapping):
        return None
    processes = start.get("processes", 1)
    if str(start.get("device", "")).startswith("cuda") and found.get("gpus"):
        return f"{processes} x {found['gpus'][0].get('name')}"
    cores = f", {found['cores']} cores" if found.get("cores") else ""
    threads = f", {found['threads']} threads" if found.get("threads") else ""
    return f"{found.get('cpu') or 'CPU'}{cores}{threads}"


def _epoch_seconds(folder: Path, epochs: Mapping[int, float], notes: list[str]) -> float | None:
    """The median time between validations, per epoch."""
    found: list[float] = []
    # The files of several starts are not joined: the time between them is unknown.
    for path in sorted(folder.glob("events.out.tfevents.*")):
        times = _validation_times(path, notes)
        points = [(epochs[step], time) for step, time in times.items() if step in epochs]
        found += [
            (later - earlier) / (second - first)
            for (first, earlier), (second, later) in pairwise(points)
            if second > first
        ]
    return median(found) if found else None


def _validation_times(path: Path, notes: list[str]) -> dict[int, float]:
    """Seconds since 1970 of each validation, by step."""
    from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader

    times: dict[int, float] = {}
    try:
        for event in LegacyEventFileLoader(str(path)).Load():
            if any(value.tag.startswith(VALIDATION) for value in event.summary.value):
                times.setdefault(event.step, event.wall_time)
    # A damaged record can raise any exception; a comparison continues without it.
    except Exception as error:
        notes.append(f"{path}: damaged, {type(error).__name__}: {error}")
    return times


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
