"""How training scales over many GPUs: what a step sends is counted, its time is modelled.

Counted here: FLOPs and parameters of each unit of the model, and with `processes` the collectives
of a real step over gloo. The rest is the model of `vision.benchmarks.cluster`, whose numbers are
options.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from vision.backbones.registry import create_backbone
from vision.benchmarks.cluster import BACKWARD, Cluster, Step, Strategy, Unit, model_step
from vision.benchmarks.collectives import Sent, count_in_processes
from vision.benchmarks.embedding import Embedding
from vision.benchmarks.timing import print_versions
from vision.files import write_text
from vision.optim.fsdp2 import unit_names

# Gradients and weights are sent as they are kept, in float32.
BYTES = 4
# Copies of the weights in a checkpoint: themselves, AdamW's two moments, their average.
COPIES = 4


@dataclass(frozen=True)
class Settings:
    """Settings of the table.

    Attributes:
        name: A backbone.
        strategies: Ways to share the work.
        devices: Numbers of GPUs.
        batch: Images per GPU and step.
        global_batch: Images per step of all GPUs, in place of `batch`; None for `batch`.
        size: Height and width of the images, in pixels.
        cluster: The hardware.
        images_per_core: Training images that a core decodes and augments per second.
        disk_gbytes: What the disk of the checkpoints writes, in 1e9 bytes per second.
        processes: Processes on this machine that count collectives; 0 for none.
        json: A file for all figures, or None.
    """

    name: str
    strategies: Sequence[Strategy]
    devices: Sequence[int]
    batch: int
    global_batch: int | None
    size: int
    cluster: Cluster
    images_per_core: float
    disk_gbytes: float
    processes: int
    json: Path | None


def model_units(name: str, size: int) -> list[Unit]:
    """The units in which FSDP2 sends a backbone: what surrounds the blocks, then each block.

    Args:
        name: A backbone.
        size: Height and width of the images, in pixels.

    Returns:
        Bytes of the parameters and FLOPs of an image, counted without computing.
    """
    with torch.device("meta"):
        backbone = create_backbone(name).eval()
        images = torch.zeros(1, 3, size, size)
    model = Embedding(backbone)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(images)
    counts = counter.get_flop_counts()
    blocks = [
        Unit(_bytes(backbone.get_submodule(part)), sum(counts[_counted(part)].values()))
        for part in unit_names(backbone)
        if _counted(part) in counts
    ]
    rest = Unit(
        _bytes(backbone) - sum(unit.bytes for unit in blocks),
        counter.get_total_flops() - sum(unit.flops for unit in blocks),
    )
    return [rest, *blocks]


def _counted(part: str) -> str:
    return f"{Embedding.__name__}.backbone.{part}"


def _bytes(module: nn.Module) -> int:
    return BYTES * sum(parameter.numel() for parameter in module.parameters())


def measure_scaling(settings: Settings) -> None:
    """Print the table of efficiency over numbers of GPUs, and what a step sends."""
    print_versions()
    units = model_units(settings.name, settings.size)
    sent = {}
    if settings.processes:
        sent = count_in_processes(
            settings.name,
            settings.strategies,
            size=settings.size,
            processes=settings.processes,
        )
    steps = {
        strategy: [
            model_step(
                units,
                settings.batch if settings.global_batch is None else settings.global_batch / count,
                cluster=settings.cluster,
                devices=count,
                strategy=strategy,
            )
            for count in settings.devices
        ]
        for strategy in settings.strategies
    }
    print(describe_work(units, settings))
    for strategy, rows in steps.items():
        print(f"\n{strategy}")
        for kind in sent.get(strategy, []):
            print(f"counted: {kind.calls} x {kind.kind}, {kind.bytes / 1e6:.1f} MB per step")
        print(_head())
        for step in rows:
            print(_row(step, settings))
    if settings.json is not None:
        write_text(settings.json, json.dumps(_record(settings, units, sent, steps), indent=1))


def describe_work(units: Sequence[Unit], settings: Settings) -> str:
    """What a GPU computes in a step, what is sent, and what a checkpoint holds, in lines."""
    flops = (1 + BACKWARD) * sum(unit.flops for unit in units)
    size = sum(unit.bytes for unit in units)
    cluster = settings.cluster
    checkpoint = COPIES * size
    return (
        f"{settings.name} at {settings.size}: {flops / 1e9:.1f} GFLOPs per training image, "
        f"{size / 1e6:.1f} MB of parameters in {len(units)} units\n"
        f"checkpoint: {checkpoint / 1e9:.2f} GB, "
        f"{checkpoint / settings.disk_gbytes / 1e9:.1f} s to write\n"
        f"assumed: {cluster.gpu_tflops:g} TFLOPS x {cluster.utilization:g}, {cluster.node_size} "
        f"GPUs per node at {cluster.node_gbytes:g} GB/s, {cluster.link_gbps:g} Gbit/s per GPU "
        f"between nodes, jitter {cluster.jitter:g}"
    )


def images_per_second(step: Step, settings: Settings) -> float:
    """Throughput of all GPUs."""
    if settings.global_batch is not None:
        return settings.global_batch / step.seconds
    return settings.batch * step.devices / step.seconds


def cores_per_node(step: Step, settings: Settings) -> float:
    """Cores of a node that decode and augment as many images as its GPUs train on."""
    share = min(settings.cluster.node_size, step.devices) / step.devices
    return images_per_second(step, settings) * share / settings.images_per_core


def _head() -> str:
    return (
        f"{'GPUs':>6} {'step ms':>9} {'transfers':>10} {'exposed':>9} {'efficiency':>11} "
        f"{'images/s':>10} {'cores/node':>11}"
    )


def _row(step: Step, settings: Settings) -> str:
    return (
        f"{step.devices:6} {1e3 * step.seconds:9.1f} {1e3 * step.transfers:10.1f} "
        f"{1e3 * step.exposed:9.1f} {step.efficiency:11.3f} "
        f"{images_per_second(step, settings):10.0f} {cores_per_node(step, settings):11.0f}"
    )


def _record(
    settings: Settings,
    units: Sequence[Unit],
    sent: dict[str, list[Sent]],
    steps: dict[Strategy, list[Step]],
) -> dict[str, Any]:
    chosen = {**asdict(settings), "json": None, "strategies": [*settings.strategies]}
    return {
        "settings": chosen,
        "units": [unit._asdict() for unit in units],
        "sent": {strategy: [kind._asdict() for kind in kinds] for strategy, kinds in sent.items()},
        "steps": {
            strategy: [{**step._asdict(), "exposed": step.exposed} for step in rows]
            for strategy, rows in steps.items()
        },
    }
