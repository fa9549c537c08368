"""A training step of each kind of task, of small models on small images: what is counted of it.

Widths and depths do not change how a step is made, only how long it takes.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch.nn import functional as F

from vision.benchmarks import depth, detection, detection3d, panoptic, segmentation
from vision.tasks.base import BaseTask
from vision.tasks.classification import Classification
from vision.tasks.depth import DepthEstimation
from vision.tasks.detection import Detection
from vision.tasks.detection3d import Detection3D
from vision.tasks.normals import SurfaceNormals
from vision.tasks.panoptic import PanopticSegmentation
from vision.tasks.segmentation import Segmentation
from vision.tasks.volumes import VolumeSegmentation

# A task, and a batch as its training step takes it.
Made = tuple[BaseTask, Any]

BACKBONE = "convnext"
SMALL_BACKBONE = {"dims": (16, 32, 64, 128), "depths": (1, 1, 1, 1)}
SIZE = (64, 96)
# Options that make heads small.
TWO_STAGE: dict[str, Any] = {
    "channels": 16,
    "fc_dim": 32,
    "batch_size_per_image": 32,
    "rpn": {"channels": 16, "post_nms_topk_train": 50},
}
QUERIES: dict[str, Any] = {
    "num_queries": 6,
    "encoder_options": {"num_layers": 1, "num_points": 2, "feedforward": 12},
    "denoising": {"queries": 4},
    "design": {"dim": 32, "num_heads": 4, "num_points": 2, "feedforward": 12, "decoder_depth": 2},
}
DETECTORS: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("faster_rcnn", "mask_rcnn", "cascade_mask_rcnn"), TWO_STAGE),
    "retinanet": {"channels": 16, "num_convs": 1},
    "fcos": {"channels": 16, "num_convs": 1, "num_groups": 4},
    **dict.fromkeys(("dino", "mask_dino"), QUERIES),
}
SEGMENTORS: dict[str, dict[str, Any]] = {
    "upernet": {"auxiliary_options": {"channels": 8}},
    "semantic_fpn": {"neck_options": {"out_channels": 16}},
    "segformer": {},
}
KMAX: dict[str, Any] = {
    "num_queries": 6,
    "stage_channels": [16, 8, 8, 8],
    "stage_depths": [1, 1, 1, 1],
    "depths": [1, 1, 1],
}
KMAX_WIDTHS = {"queries": 16, "query_heads": 2, "feedforward": 24, "pixels": 8, "axial_heads": 2}
MONODETR: dict[str, Any] = {
    "num_queries": 5,
    "num_groups": 3,
    "bins": {"count": 6, "maximum": 60.0},
    "design": {
        **{"dim": 32, "num_heads": 4, "num_points": 2, "feedforward": 12, "depth_feedforward": 12},
        **{"encoder_depth": 1, "decoder_depth": 2},
    },
}
GRID = {"cell_size": [0.5, 0.5], "point_range": [0.0, -8.0, -3.0, 16.0, 8.0, 1.0]}
FLATFORMER: dict[str, Any] = {
    "backbone_options": {
        **{"dim": 16, "num_heads": 2, "num_blocks": 1, "window_shape": [5, 5, 1], "group_size": 8}
    },
    "reader_options": {"in_channels": 4, "grid": GRID},
    "neck_options": {"channels": [8, 16], "depths": [0, 0], "out_channels": [8, 8]},
    "head_options": {"shared_channels": 8, "channels": 8},
}


def _images(task: type[BaseTask], *given: Any, **options: Any) -> Any:
    torch.manual_seed(0)
    return task(BACKBONE, *given, backbone_options=SMALL_BACKBONE, **options)


def classification() -> Made:
    """Mixed and erased images of eight classes."""
    task = _images(Classification, 8, mix={"mixup": 0.8, "cutmix": 1.0, "erasing": 0.25})
    images = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)
    return task, {"image": images, "label": torch.arange(4)}


def segmentor(name: str) -> Made:
    """A model of semantic segmentation."""
    options = {"head_options": {"channels": 16}, **SEGMENTORS[name]}
    task = _images(Segmentation, segmentation.CLASSES, segmentor=name, **options)
    return task, segmentation.make_batch(2, SIZE[0])


def detector(name: str) -> Made:
    """A detector, and images with three objects each."""
    # The neck of DINO only completes the pyramid.
    neck = {} if DETECTORS[name] is QUERIES else {"neck_options": {"out_channels": 16}}
    options = {"head_options": DETECTORS[name], **neck}
    task = _images(Detection, detection.CLASSES, detector=name, **options)
    return task, detection.make_batch(2, *SIZE, objects=3)


def panoptic_model() -> Made:
    """kMaX-DeepLab."""
    widths = {**KMAX_WIDTHS, "masks": 16, "semantic": 16, "low_level": [8, 8]}
    task = _images(
        PanopticSegmentation,
        panoptic.CLASSES,
        things=panoptic.THINGS,
        head_options={**KMAX, "widths": widths},
        loss_options={"instance_samples": 64, "semantic_samples": 64},
    )
    return task, panoptic.make_batch(2, SIZE)


def depth_model() -> Made:
    """DPT for depth."""
    head = {"features": 16, "hidden_channels": 8}
    task = _images(DepthEstimation, decoder="dpt", head_options=head)
    return task, depth.make_batch(2, SIZE)


def normals_model() -> Made:
    """PolyMaX for normals."""
    head = {**KMAX, "widths": {**KMAX_WIDTHS, "masks": 6}}
    task = _images(SurfaceNormals, decoder="polymax", head_options=head)
    images = depth.make_batch(2, SIZE)["image"]
    return task, {"image": images, "normals": F.normalize(torch.randn(2, 3, *SIZE), dim=1)}


def monodetr() -> Made:
    """Boxes in space from single images."""
    task = _images(Detection3D, detection3d.CLASSES, detector="monodetr", head_options=MONODETR)
    return task, detection3d.make_batch(2, SIZE)


def flatformer() -> Made:
    """Boxes in space in two sweeps of a lidar, the first of which has two objects."""
    torch.manual_seed(0)
    task = Detection3D("flatformer_128", 3, detector="centerpoint", **FLATFORMER)
    low, high = torch.tensor(GRID["point_range"]).split(3)
    points = low + (high - low) * torch.rand(500, 3)
    boxes = torch.tensor(
        [[9.0, 1.0, -1.0, 3.9, 1.6, 1.7, 0.4], [6.0, -3.0, -1.0, 1.8, 1.7, 0.6, -1.2]]
    )
    labels = torch.tensor([1, 2])
    batch = {
        "points": torch.cat([points, torch.rand(500, 1)], dim=1),
        "counts": torch.tensor([300, 200]),
        "target": [{"boxes3d": boxes[:n], "labels": labels[:n]} for n in (2, 0)],
    }
    return task, batch


def volumes() -> Made:
    """Regions of a volume of two modalities."""
    torch.manual_seed(0)
    task = VolumeSegmentation(
        "swin_volume",
        4,
        regions={"TC": [1, 3], "WT": [1, 2, 3], "ET": [3]},
        modalities=["flair", "t1"],
        backbone_options={"dim": 8, "depths": [1, 1], "num_heads": [1, 2], "window_size": 3},
    )
    mask = torch.randint(4, (2, 8, 8, 16), dtype=torch.uint8)
    return task, {"volume": torch.randn(2, 2, 8, 8, 16), "mask": mask}


STEPS: dict[str, Callable[[], Made]] = {
    "classification": classification,
    **{name: partial(segmentor, name) for name in SEGMENTORS},
    **{name: partial(detector, name) for name in DETECTORS},
    "panoptic": panoptic_model,
    "depth dpt": depth_model,
    "normals polymax": normals_model,
    "monodetr": monodetr,
    "flatformer": flatformer,
    "volumes": volumes,
}


def take_step(task: BaseTask, batch: Any) -> None:
    """From the augmentation to the gradients; batches of tasks without one are normalised."""
    if isinstance(task, Classification):
        batch = task.augment(task.prepare(batch))
    loss: Any = task.training_step(batch, 0)
    loss.backward()
