"""Detectors beside each other: time, peak memory and parameters, in inference.

All weights are random, so that detectors with non-maximum suppression have next to nothing to
suppress. Ours have one backbone; torchvision's and transformers' have their own
ResNet-50, those that have queries as many queries and decoder layers as ours. The sides take turns,
on the same images.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from vision.benchmarks.computing import Computing
from vision.benchmarks.measurement import Measurement, begin
from vision.benchmarks.memory import peaks
from vision.benchmarks.results import Table
from vision.benchmarks.timing import times
from vision.errors import ConfigError, suggest
from vision.tasks.detection import Detection
from vision.tasks.detectors import DETECTORS

CLASSES = 80


@dataclass(frozen=True, kw_only=True)
class Settings(Computing):
    """Settings of the measurement, beside those of `Computing`.

    Attributes:
        detectors: Names of `sides`; the first is what the others are compared with.
        backbone: Name of the backbone of ours.
        batch: Images at once.
        height: Height of the images in pixels.
        width: Their width.
        queries: Queries of each detector that has any.
        layers: Layers of its decoder.
    """

    detectors: Sequence[str]
    backbone: str
    batch: int
    height: int
    width: int
    queries: int
    layers: int


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
        self.settings = settings
        self.model, self.step = sides()[name](settings)
        self.model.to(settings.place).eval()
        self.parameters = sum(one.numel() for one in self.model.parameters())
        images = torch.rand(settings.batch, 3, settings.height, settings.width)
        self.images = images.to(settings.place)

    @torch.inference_mode()
    def run(self) -> None:
        """Find the objects of the images."""
        with self.settings.autocast():
            self.step(self.images)


def measure_detectors(settings: Settings) -> Table:
    """Measure the first detector beside each of the others.

    Raises:
        ConfigError: There is no detector of a name.
    """
    known = sides()
    for name in settings.detectors:
        if name not in known:
            hint = suggest(name, known)
            raise ConfigError(f"there is no detector '{name}'.{hint} Known: {', '.join(known)}.")
    measured = begin("Detectors beside each other", settings)
    add_detectors(measured, settings)
    return measured.table()


def add_detectors(measured: Measurement, settings: Settings) -> None:
    """Add rows of the first detector beside each of the others.

    Args:
        measured: Where they go.
        settings: What is measured; the names are those of `sides`.
    """
    first, *others = settings.detectors
    benches = {name: Bench(name, settings) for name in settings.detectors}
    steps = [bench.run for bench in benches.values()]
    found = times(steps, settings.place, rounds=settings.rounds, warmup=settings.warmup)
    tops = dict(zip(benches, peaks(steps, settings.place), strict=True))
    measured_times = dict(zip(benches, found, strict=True))
    label = f"{first} on {settings.backbone}, inference"
    pairs: list[list[str]] = [[first, other] for other in others] or [[first]]
    for pair in pairs:
        peer = pair[-1] if others else ""
        taken = [measured_times[name] for name in pair]
        measured.add_times(label, taken, peer=peer, per=settings.batch)
        measured.add_counts(f"{label}, peak", "MiB", [tops[name] for name in pair], peer)
        sizes = [benches[name].parameters / 1e6 for name in pair]
        measured.add_counts(f"{first}, parameters", "M", sizes, peer)
    if others:
        measured.note(
            f"{first} beside {', '.join(others)}: other networks, each with random weights of its "
            "own, so that their outputs are not compared."
        )
