"""Detectors beside each other: time, images per second and peak memory of inference.

All weights are random, so that detectors with non-maximum suppression have next to nothing to
suppress. Ours have one backbone; torchvision's and transformers' have their own
ResNet-50, those that have queries as many queries and decoder layers as ours. The sides take turns,
on the same images. Peak memory on a GPU is PyTorch's allocation over what was held before; on a
CPU, the growth of the resident memory of a fresh process.
"""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from vision.benchmarks.memory import in_fresh_process, peak_allocated, peak_growth
from vision.benchmarks.timing import print_versions, ratio_interval, wall_times
from vision.errors import ConfigError, suggest
from vision.tasks.detection import Detection
from vision.tasks.detectors import DETECTORS

CLASSES = 80


@dataclass(frozen=True)
class Settings:
    """Settings of the measurement.

    Attributes:
        detectors: Names of `sides`; the first is what the others are compared with.
        backbone: Name of the backbone of ours.
        batch: Images at once.
        height: Height of the images in pixels.
        width: Their width.
        queries: Queries of each detector that has any.
        layers: Layers of its decoder.
        rounds: Measured runs of each.
        warmup: Runs before them.
        threads: Threads of PyTorch.
        device: Where to compute.
    """

    detectors: Sequence[str]
    backbone: str
    batch: int
    height: int
    width: int
    queries: int
    layers: int
    rounds: int
    warmup: int
    threads: int
    device: str


# Inference on images `(B, 3, H, W)` of values 0..1.
Step = Callable[[Tensor], Any]
Side = Callable[[Settings], tuple[torch.nn.Module, Step]]


def ours(detector: str, encoder: str | None, settings: Settings) -> tuple[torch.nn.Module, Step]:
    """A detector of the suite, from images to boxes."""
    head: dict[str, Any] = {}
    if encoder is not None:
        head = {
            "encoder": encoder,
            "num_queries": settings.queries,
            "design": {"decoder_depth": settings.layers},
        }
    task = Detection(settings.backbone, CLASSES, detector=detector, head_options=head)
    return task, lambda images: task(images * 255)


def torchvisions(name: str, settings: Settings) -> tuple[torch.nn.Module, Step]:
    """A detector of torchvision on a ResNet-50 with FPN, from images to boxes."""
    from torchvision.models import detection

    model = getattr(detection, name)(
        weights=None,
        weights_backbone=None,
        num_classes=CLASSES + 1,
        min_size=min(settings.height, settings.width),
        max_size=max(settings.height, settings.width),
    )
    _settle(model.backbone)
    return model, lambda images: model(list(images))


@torch.no_grad()
def _settle(backbone: torch.nn.Module) -> None:
    """Take the statistics of batch norms from noise.

    With those of a fresh network the maps of a ResNet grow from block to block, until every cell is
    an object of some class.
    """
    for module in backbone.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    backbone.train()(torch.randn(8, 3, 64, 64))  # small: freed memory would not be counted
    backbone.eval()


def rt_detr(settings: Settings) -> tuple[torch.nn.Module, Step]:
    """RT-DETR of transformers with its ResNet-50, from images to logits and boxes."""
    from transformers import RTDetrConfig, RTDetrForObjectDetection

    config = RTDetrConfig(**_queries(settings))
    model = RTDetrForObjectDetection(config)
    return model, model


def deformable_detr(settings: Settings) -> tuple[torch.nn.Module, Step]:
    """Deformable DETR of transformers, of two stages, with a ResNet-50, to logits and boxes."""
    from transformers import (
        DeformableDetrConfig,
        DeformableDetrForObjectDetection,
        ResNetConfig,
    )

    backbone: dict[str, Any] = {"out_features": ["stage2", "stage3", "stage4"]}
    options: dict[str, Any] = {
        "use_timm_backbone": False,
        "use_pretrained_backbone": False,
        "backbone": None,
        "backbone_config": ResNetConfig(**backbone),
        "two_stage_num_proposals": settings.queries,
        "two_stage": True,
        "with_box_refine": True,
    }
    config = DeformableDetrConfig(**options, **_queries(settings))
    model = DeformableDetrForObjectDetection(config)
    return model, model


def _queries(settings: Settings) -> dict[str, Any]:
    return {
        "num_labels": CLASSES,
        "num_queries": settings.queries,
        "decoder_layers": settings.layers,
    }


def sides() -> dict[str, Side]:
    """What can be measured, by name."""
    queries = {
        f"{name}{suffix}": partial(ours, name, encoder)
        for name in ("dino", "mask_dino")
        for suffix, encoder in (("", "deformable"), ("/hybrid", "hybrid"))
    }
    others = ("fasterrcnn_resnet50_fpn", "maskrcnn_resnet50_fpn", "retinanet_resnet50_fpn")
    return {
        **{name: partial(ours, name, None) for name in DETECTORS},
        **queries,
        **{
            f"torchvision/{name}": partial(torchvisions, name)
            for name in (*others, "fcos_resnet50_fpn")
        },
        "transformers/rt_detr": rt_detr,
        "transformers/deformable_detr": deformable_detr,
    }


class Bench:
    """One detector and images for it.

    Args:
        name: Its name among `sides`.
        settings: What is measured.
    """

    def __init__(self, name: str, settings: Settings) -> None:
        torch.manual_seed(0)
        torch.set_num_threads(settings.threads)
        self.model, self.step = sides()[name](settings)
        self.model.to(settings.device).eval()
        self.parameters = sum(one.numel() for one in self.model.parameters())
        images = torch.rand(settings.batch, 3, settings.height, settings.width)
        self.images = images.to(settings.device)

    @torch.inference_mode()
    def run(self) -> None:
        """Find the objects of the images."""
        self.step(self.images)


def measure_detectors(settings: Settings) -> None:
    """Print a row for each detector: time, images per second, memory, and the ratio to the first.

    Raises:
        ConfigError: There is no detector of a name.
    """
    known = sides()
    for name in settings.detectors:
        if name not in known:
            hint = suggest(name, known)
            raise ConfigError(f"there is no detector '{name}'.{hint} Known: {', '.join(known)}.")
    torch.set_num_threads(settings.threads)
    print_versions()
    print(
        f"{settings.backbone}, {settings.batch} x {settings.height} x {settings.width}, medians of "
        f"{settings.rounds}, {settings.queries} queries, {settings.layers} decoder layers"
    )
    benches = {name: Bench(name, settings) for name in settings.detectors}
    times = wall_times(
        [bench.run for bench in benches.values()],
        torch.device(settings.device),
        rounds=settings.rounds,
        warmup=settings.warmup,
    )
    sizes = {name: bench.parameters for name, bench in benches.items()}
    measured = dict(zip(benches, times, strict=True))
    peaks = {name: _peak(name, bench, settings) for name, bench in benches.items()}
    print_rows(measured, sizes, peaks, settings.batch)


def print_rows(
    times: Mapping[str, Sequence[float]],
    parameters: Mapping[str, int],
    peaks: Mapping[str, float],
    batch: int,
) -> None:
    """Print what was measured.

    Args:
        times: Seconds of each round, by detector.
        parameters: Number of parameters of each.
        peaks: Peak memory of each in MiB.
        batch: Images of a round.
    """
    titles = ("ms/image", "images/s", "MiB", "params, M", "speed", "95 % interval")
    print(f"{'':36}", *(f"{title:>10}" for title in titles))
    first = next(iter(times.values()))
    for name, seconds in times.items():
        median = statistics.median(seconds) / batch
        row = (1e3 * median, 1 / median, peaks[name], parameters[name] / 1e6)
        ratio = statistics.median(first) / statistics.median(seconds)
        low, high = ratio_interval(seconds, first)
        interval = f"{low:.2f} to {high:.2f}" if math.isfinite(high) else "-"
        print(f"{name:36}", *(f"{value:10.1f}" for value in row), f"{ratio:10.2f}", interval)


def _peak(name: str, bench: Bench, settings: Settings) -> float:
    """Peak memory in MiB of one run."""
    if torch.device(settings.device).type == "cuda":
        return peak_allocated(bench.run)
    return in_fresh_process(_growth, name, settings)


def _growth(name: str, settings: Settings) -> float:
    return peak_growth(Bench(name, settings).run)
