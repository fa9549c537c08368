"""Mask R-CNN against torchvision's with the same backbone and the same weights.

Both sides have our backbone and their own FPN, the same anchors, numbers of samples and thresholds,
and weights copied from one to the other; scores are spread so that both find about as many objects
as a trained detector.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from vision.backbones.base import Backbone
from vision.benchmarks.timing import medians, print_head, print_row
from vision.tasks.detection import Detection
from vision.weights.names.table import Names

CLASSES = 80
SIDES = (32, 64, 128, 256, 512)  # of square anchors, in pixels
# Spreads the logits of fresh weights, whose classes would all be as likely.
SPREAD = 40.0
TORCHVISION = Names(
    [
        ("backbone.body.", "backbone."),
        ("backbone.fpn.inner_blocks.{i}.0.", "neck.fpn.laterals.{i}."),
        ("backbone.fpn.layer_blocks.{i}.0.", "neck.fpn.outputs.{i}."),
        ("rpn.head.conv.0.0.", "head.rpn.conv."),
        ("rpn.head.cls_logits.", "head.rpn.logits."),
        ("rpn.head.bbox_pred.", "head.rpn.deltas."),
        ("roi_heads.box_head.fc6.", "head.box_heads.0.fcs.0."),
        ("roi_heads.box_head.fc7.", "head.box_heads.0.fcs.1."),
        ("roi_heads.box_predictor.cls_score.", "head.box_heads.0.logits."),
        ("roi_heads.box_predictor.bbox_pred.", "head.box_heads.0.deltas."),
        ("roi_heads.mask_head.{i}.0.", "head.mask_heads.0.convs.{i}."),
        ("roi_heads.mask_predictor.conv5_mask.", "head.mask_heads.0.upsample."),
        ("roi_heads.mask_predictor.mask_fcn_logits.", "head.mask_heads.0.logits."),
    ]
)


class TheirBackbone(nn.Module):
    """Our backbone with torchvision's FPN, as torchvision's detectors use it."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        from torchvision.ops import FeaturePyramidNetwork
        from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

        self.body = backbone
        self.out_channels = 256
        channels = [spec.channels for spec in backbone.feature_specs]
        self.fpn = FeaturePyramidNetwork(channels, 256, extra_blocks=LastLevelMaxPool())

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """`(B, 3, H, W)` to maps by name."""
        maps = {str(i): one for i, one in enumerate(self.body(images))}
        return self.fpn(maps)


def their_detector(ours: Detection, backbone: Backbone, *, size: tuple[int, int]) -> nn.Module:
    """Mask R-CNN of torchvision with the settings and the weights of ours, for images of a size."""
    from torchvision.models.detection import MaskRCNN
    from torchvision.models.detection.rpn import AnchorGenerator

    theirs = MaskRCNN(
        TheirBackbone(backbone),
        num_classes=CLASSES + 1,
        rpn_anchor_generator=AnchorGenerator(
            tuple((side,) for side in SIDES), ((0.5, 1.0, 2.0),) * len(SIDES)
        ),
        rpn_pre_nms_top_n_train=2000,
        rpn_pre_nms_top_n_test=1000,
        rpn_post_nms_top_n_train=1000,
        rpn_post_nms_top_n_test=1000,
        # Only in training would it leave the size of images alone if asked to.
        min_size=min(size),
        max_size=max(size),
    )
    missing = theirs.load_state_dict(their_weights(ours.state_dict()), strict=False)
    assert not missing.missing_keys, missing
    return theirs


def their_weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our weights under torchvision's names; its background is the first class, ours the last."""
    renamed = TORCHVISION.write(state)
    for name, tensor in renamed.items():
        if ".cls_score." in name:
            renamed[name] = tensor.roll(1, dims=0)
        elif ".bbox_pred." in name and name.startswith("roi_heads."):
            renamed[name] = torch.cat([torch.zeros_like(tensor[:4]), tensor])
        elif ".mask_fcn_logits." in name:
            renamed[name] = torch.cat([torch.zeros_like(tensor[:1]), tensor])
    return renamed


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


def measure_detection(
    *,
    backbone: str,
    batch: int,
    height: int,
    width: int,
    objects: int,
    rounds: int,
    warmup: int,
    device: str,
) -> None:
    """Time training steps and inference of both sides, in turn, and print medians.

    Args:
        backbone: Name of the backbone of both.
        batch: Images of a step.
        height: Height of the images in pixels.
        width: Width of the images in pixels.
        objects: Objects per image.
        rounds: Measured steps of each side.
        warmup: Steps before them.
        device: Where to compute.
    """
    print_head()
    torch.manual_seed(0)
    place = torch.device(device)
    ours = Detection(backbone, CLASSES)
    with torch.no_grad():
        ours.get_parameter("head.box_heads.0.logits.weight").mul_(SPREAD)
    theirs = their_detector(ours, Detection(backbone, CLASSES).backbone, size=(height, width))
    ours, theirs = ours.to(place), theirs.to(place)
    made = _moved(make_batch(batch, height, width, objects), place)
    print(f"{backbone}, {batch} x {height} x {width}")
    steps: dict[str, tuple[Callable[[], Any], ...]] = {
        "training": (lambda: _train_ours(ours, made), lambda: _train_theirs(theirs, made)),
        "inference": (lambda: _find_ours(ours, made), lambda: _find_theirs(theirs, made)),
    }
    for mode, sides in steps.items():
        ours.train(mode == "training")
        theirs.train(mode == "training")
        found = medians(sides, place, rounds=rounds, warmup=warmup)
        print_row(f"Mask R-CNN {mode}, ms/image", [1e3 * value / batch for value in found])
        if place.type == "cuda":
            print_row(f"Mask R-CNN {mode}, peak GiB", [_peak(side) for side in sides])
    counts = [float(sum(len(one["boxes"]) for one in side())) for side in steps["inference"]]
    print_row("objects found", counts)


def _moved(batch: Mapping[str, Any], device: torch.device) -> dict[str, Any]:
    targets = [{k: v.to(device) for k, v in one.items()} for one in batch["target"]]
    return {"image": batch["image"].to(device), "size": batch["size"].to(device), "target": targets}


def _train_ours(task: Detection, batch: Mapping[str, Any]) -> None:
    task.zero_grad(set_to_none=True)
    images = task.normalize(batch["image"] * 255)
    outputs = task.head(task.neck(task.backbone(images)), batch["size"], batch["target"])
    torch.stack(tuple(task.criterion(outputs, None).values())).sum().backward()


def _train_theirs(model: nn.Module, batch: Mapping[str, Any]) -> None:
    model.zero_grad(set_to_none=True)
    targets = [
        {"boxes": t["boxes"], "labels": t["labels"] + 1, "masks": t["masks"].byte()}
        for t in batch["target"]
    ]
    losses = model(list(batch["image"]), targets)
    torch.stack(tuple(losses.values())).sum().backward()


@torch.inference_mode()
def _find_ours(task: Detection, batch: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return task(batch["image"] * 255)


@torch.inference_mode()
def _find_theirs(model: nn.Module, batch: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return model(list(batch["image"]))


def _peak(step: Callable[[], Any]) -> float:
    torch.cuda.reset_peak_memory_stats()
    step()
    return torch.cuda.max_memory_allocated() / 2**30
