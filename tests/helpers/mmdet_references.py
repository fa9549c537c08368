"""The detectors that mmdet computed the tensors of `tests/fixtures/mmdet` with, built as ours."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn

from vision import create_backbone
from vision.contracts.detection import DetectionTarget
from vision.tasks.detectors import DETECTORS, build_detector

FOLDER = Path(__file__).parents[1] / "fixtures" / "mmdet"
NAMES = ("mask_rcnn", "cascade_mask_rcnn", "retinanet", "fcos")
CLASS_NAMES = ["cat", "dog", "bird"]
# More places than there are candidates: nothing is drawn at random.
EVERY = 1600


class Detector(nn.Module):
    """Backbone, neck, head and criterion, under the names that the task gives them."""

    def __init__(
        self, backbone: nn.Module, neck: nn.Module, head: nn.Module, criterion: nn.Module
    ) -> None:
        super().__init__()
        self.backbone, self.neck, self.head = backbone, neck, head
        self.criterion = criterion

    def forward(
        self, images: Tensor, sizes: Tensor, targets: list[DetectionTarget] | None = None
    ) -> Any:
        return self.head(self.neck(self.backbone(images)), sizes, targets)


@dataclass
class Reference:
    """One reference file."""

    name: str
    tensors: dict[str, Tensor]
    backbone_options: dict[str, Any]
    channels: int

    def folder(self, name: str) -> dict[str, Tensor]:
        """The tensors under `name/`, by the rest of their keys."""
        start = name + "/"
        return {k.removeprefix(start): v for k, v in self.tensors.items() if k.startswith(start)}

    def targets(self, *, second_empty: bool = False) -> list[DetectionTarget]:
        """The objects of both images."""
        targets = []
        for i in range(2):
            found = self.folder(f"target/{i}")
            if second_empty and i == 1:
                found = {key: value[:0] for key, value in found.items()}
            count = len(found["labels"])
            targets.append(
                DetectionTarget(
                    boxes=found["boxes"],
                    labels=found["labels"],
                    masks=found["masks"],
                    iscrowd=torch.zeros(count, dtype=torch.bool),
                    area=found["masks"].flatten(1).sum(dim=1).float(),
                    image_id=torch.tensor(i),
                )
            )
        return targets


def read(name: str) -> Reference:
    with safe_open(FOLDER / f"{name}.safetensors", "pt") as file:
        metadata = file.metadata()
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    options = json.loads(metadata["backbone"])
    return Reference(name, tensors, options, int(metadata["channels"]))


def build(reference: Reference, *, num_classes: int = 3, seed: int = 0) -> Detector:
    """Our detector of the name, as narrow as theirs, with fresh weights."""
    torch.manual_seed(seed)
    channels = reference.channels
    backbone = create_backbone("swin", **reference.backbone_options, dense=True)
    head_options = {
        "retinanet": {"channels": channels},
        "fcos": {"channels": 2 * channels},
    }.get(reference.name)
    two_stage = {"channels": channels, "fc_dim": 16, "batch_size_per_image": EVERY}
    parts = build_detector(
        DETECTORS[reference.name],
        backbone,
        num_classes=num_classes,
        neck_options={"out_channels": channels},
        head_options=head_options
        or {**two_stage, "rpn": {"channels": channels, "batch_size_per_image": EVERY}},
        loss_options={},
    )
    return Detector(backbone, *parts).eval()


def our_term(name: str) -> str:
    """Our name of a term of mmdet's losses."""
    stage, dot, term = name.rpartition(".")
    term = term.replace("bbox", "box")
    return f"{term}_{int(stage[1:]) + 1}" if dot else term
