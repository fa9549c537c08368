"""Detectors beside those of torchvision and transformers.

torchvision: Mask R-CNN on our backbone with our weights on both sides, and torchvision's own FPN,
heads, sampling, suppression and losses (`vision.benchmarks.peers.mask_rcnn`). Boxes, scores,
classes and masks are compared in float64, where rounding drops no box; scores are spread, so that
both find about as many objects as a trained detector. Places are sampled at random in training.

transformers: RT-DETR's encoder with our weights, outputs compared; and RT-DETR as a whole beside
DINO with that encoder, whose decoders differ, so that their outputs cannot be compared.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from vision.benchmarks.computing import Computing
from vision.benchmarks.detectors import Settings as DetectorSettings
from vision.benchmarks.detectors import add_detectors
from vision.benchmarks.measurement import Measurement, begin, check_equal
from vision.benchmarks.peers.sources import choose_sources
from vision.benchmarks.results import Table
from vision.benchmarks.two_sides import add_modes
from vision.tasks.detection import Detection

CLASSES = 80
# Spreads the logits of fresh weights, whose classes would all be as likely.
SPREAD = 40.0
# Of the largest value, in float64; our anchors are float32.
TOLERANCE = 1e-5
COMPARED = ("boxes", "scores", "labels", "masks")
SOURCES = ("torchvision", "transformers")
RT_DETR = ("dino/hybrid", "transformers/rt_detr")


@dataclass(frozen=True, kw_only=True)
class Settings(Computing):
    """Settings of the measurement, beside those of `Computing`.

    Attributes:
        against: Whose detectors are beside ours, of `SOURCES`, or `"all"`.
        backbone: Name of the backbone of both.
        batch: Images of a step.
        height: Height of the images in pixels.
        width: Width of the images in pixels.
        objects: Objects per image of a training step.
        queries: Queries of the detectors that have any.
        layers: Layers of their decoders.
    """

    against: str
    backbone: str
    batch: int
    height: int
    width: int
    objects: int
    queries: int
    layers: int


def make_batch(count: int, height: int, width: int, objects: int) -> dict[str, Any]:
    """Random images of values 0..1 with random objects, the same every time."""
    generator = torch.Generator().manual_seed(0)
    corners = torch.rand(count, objects, 2, generator=generator) * 0.7
    sides = 0.05 + torch.rand(count, objects, 2, generator=generator) * 0.25
    scale = torch.tensor([width, height] * 2)
    boxes = torch.cat([corners, corners + sides], dim=-1) * scale
    targets = []
    for i in range(count):
        y, x = torch.arange(height)[:, None], torch.arange(width)
        x1, y1, x2, y2 = boxes[i, :, :, None, None].unbind(dim=1)
        targets.append(
            {
                "boxes": boxes[i],
                "labels": torch.randint(0, CLASSES, (objects,), generator=generator),
                "masks": (x >= x1) & (x < x2) & (y >= y1) & (y < y2),
                "iscrowd": torch.zeros(objects, dtype=torch.bool),
                "area": (boxes[i, :, 2:] - boxes[i, :, :2]).prod(dim=-1),
                "image_id": torch.tensor(i),
            }
        )
    images = torch.rand(count, 3, height, width, generator=generator)
    return {"image": images, "target": targets, "size": torch.tensor([[height, width]] * count)}


class MaskRCNNs:
    """Both sides with the same weights, and a batch for them.

    Args:
        settings: What is measured.
    """

    def __init__(self, settings: Settings) -> None:
        from vision.benchmarks.peers.mask_rcnn import their_detector

        torch.manual_seed(0)
        torch.set_num_threads(settings.threads)
        self.settings = settings
        # Nothing is dropped at random on either side.
        whole = {"drop_path_rate": 0.0}
        self.ours = Detection(settings.backbone, CLASSES, backbone_options=whole)
        with torch.no_grad():
            self.ours.get_parameter("head.box_heads.0.logits.weight").mul_(SPREAD)
        other = copy.deepcopy(self.ours.backbone)
        size = settings.height, settings.width
        self.theirs = their_detector(self.ours, other, size=size)
        self.ours.to(settings.place)
        self.theirs.to(settings.place)
        made = make_batch(settings.batch, *size, settings.objects)
        self.batch = _moved(made, settings.place)

    def compare(self) -> float:
        """The largest difference of what both find, in float64.

        Raises:
            UnequalSidesError: They find something else.
        """
        from vision.benchmarks.peers.mask_rcnn import their_objects

        ours, theirs = (copy.deepcopy(side).double().eval() for side in (self.ours, self.theirs))
        images = self.batch["image"].double()
        with torch.inference_mode():
            maps = ours.neck(ours.backbone(ours.normalize(images * 255)))
            found = ours.head(maps, self.batch["size"])
            counts = found["count"].tolist()
            left = [{k: found[k][i, :n] for k in COMPARED} for i, n in enumerate(counts)]
            right = [{k: one[k] for k in COMPARED} for one in their_objects(theirs, images)]
        return check_equal(left, right, tolerance=TOLERANCE, what="Mask R-CNN and torchvision's")

    def clear(self) -> None:
        """Drop the gradients of both."""
        for side in (self.ours, self.theirs):
            side.zero_grad(set_to_none=True)

    def step(self, mode: str, side: int) -> None:
        """Inference, or forward, loss and backward pass, of ours (0) or theirs (1)."""
        model: nn.Module = (self.ours, self.theirs)[side]
        model.train(mode == "training")
        if mode == "inference":
            with torch.inference_mode(), self.settings.autocast():
                images = self.batch["image"]
                self.ours(images * 255) if side == 0 else self.theirs(list(images))
            return
        self.clear()
        with self.settings.autocast():
            losses = self._our_losses() if side == 0 else self._their_losses()
        torch.stack(tuple(losses.values())).sum().backward()

    def _our_losses(self) -> Mapping[str, Tensor]:
        images = self.ours.normalize(self.batch["image"] * 255)
        maps = self.ours.neck(self.ours.backbone(images))
        outputs = self.ours.head(maps, self.batch["size"], self.batch["target"])
        losses: Mapping[str, Tensor] = self.ours.criterion(outputs, None)
        return losses

    def _their_losses(self) -> Mapping[str, Tensor]:
        targets = [
            {"boxes": t["boxes"], "labels": t["labels"] + 1, "masks": t["masks"].byte()}
            for t in self.batch["target"]
        ]
        losses: Mapping[str, Tensor] = self.theirs(list(self.batch["image"]), targets)
        return losses


def _moved(batch: Mapping[str, Any], device: torch.device) -> dict[str, Any]:
    targets = [{k: v.to(device) for k, v in one.items()} for one in batch["target"]]
    return {"image": batch["image"].to(device), "size": batch["size"].to(device), "target": targets}


def measure_detection(settings: Settings) -> Table:
    """Measure our detectors beside those of others.

    Raises:
        ConfigError: There is no such source.
        MissingPackageError: The source that is asked for is not installed.
        UnequalSidesError: Sides that have the same weights give other outputs.
    """
    sources, absent = choose_sources(SOURCES, settings.against)
    measured = begin("Detectors beside other implementations", settings)
    for line in absent:
        measured.note(line)
    if "torchvision" in sources:
        add_mask_rcnn(measured, settings)
    if "transformers" in sources:
        add_encoder(measured, settings)
        shared = {k: v for k, v in vars(settings).items() if k not in ("against", "objects")}
        add_detectors(measured, DetectorSettings(detectors=RT_DETR, **shared))
    return measured.table()


def add_mask_rcnn(measured: Measurement, settings: Settings) -> None:
    """Add rows of Mask R-CNN beside torchvision's."""
    both = MaskRCNNs(settings)
    difference = both.compare()
    label = f"Mask R-CNN on {settings.backbone}"
    add_modes(
        measured,
        both,
        label,
        settings,
        peer="torchvision",
        per=settings.batch,
        difference=difference,
    )


def add_encoder(measured: Measurement, settings: Settings) -> None:
    """Add rows of the hybrid encoder beside RT-DETR's in transformers."""
    from vision.benchmarks.peers.rt_detr import DIM, Encoders

    torch.manual_seed(0)
    both = Encoders().to(settings.place)
    shape = settings.batch, DIM, settings.height, settings.width
    maps = [torch.randn(*shape[:2], -(-shape[2] // s), -(-shape[3] // s)) for s in (8, 16, 32)]
    maps = [x.to(settings.place) for x in maps]
    with torch.inference_mode():
        found = [both.eval()(maps, side) for side in (0, 1)]
    what = "RT-DETR's encoder"
    difference = check_equal(*found, tolerance=1e-4, what=f"{what} and transformers'")

    def step(side: int) -> None:
        with torch.inference_mode(), settings.autocast():
            both(maps, side)

    measured.compare(
        f"{what}, inference",
        *(partial(step, side) for side in (0, 1)),
        rounds=settings.rounds,
        warmup=settings.warmup,
        peer="transformers",
        per=settings.batch,
        difference=difference,
    )
