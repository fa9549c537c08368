"""A small model of volumes, and small batches of random volumes with regions."""

from pathlib import Path
from typing import Any

import torch

from vision.contracts.volumes import IGNORED, VolumeBatch
from vision.export.run import Exported, ExportOptions, Format, export
from vision.export.volumes import VolumesGraph
from vision.tasks.volumes import VolumeSegmentation

BACKBONE: dict[str, Any] = {
    "dim": 8,
    "depths": [1, 1],
    "num_heads": [1, 2],
    "window_size": 3,
}
NAMES = ["background", "necrosis", "edema", "enhancing"]
REGIONS = {"TC": [1, 3], "WT": [1, 2, 3], "ET": [3]}
MODALITIES = ["flair", "t1"]
# Its coarsest map has stride 8. Cells of the volumes in a batch; the second one is smaller.
SIZES = ((11, 9, 18), (10, 9, 14))
# The second original volume lies in another order of axes, with finer cells along one.
ORIGINAL_SIZES = ((11, 9, 18), (9, 19, 14))


def tiny_volumes(**more: Any) -> VolumeSegmentation:
    """A model of two modalities and three regions, with the same weights every time."""
    torch.manual_seed(0)
    settings: dict[str, Any] = {
        "backbone": "swin_volume",
        "num_classes": 4,
        "regions": REGIONS,
        "modalities": MODALITIES,
        "backbone_options": BACKBONE,
        "inference": {"window": (8, 8, 16), "overlap": 0.0},
        "class_names": NAMES,
    }
    return VolumeSegmentation(**{**settings, **more})


def export_volumes(task: VolumeSegmentation, path: Path, form: Format = "onnx") -> Exported:
    """Export the logits of a window, with the file beside it."""
    options = ExportOptions(format=form, size=task.inference.window)
    return export(VolumesGraph(task, logits=True), task, {**task.describe()}, path, options)


def random_batch(size: tuple[int, int, int] = (8, 8, 16), *, classes: int = 4) -> VolumeBatch:
    """Two patches to train on whose cells show their class."""
    generator = torch.Generator().manual_seed(0)
    mask = torch.randint(classes, (2, *[side // 4 for side in size]), generator=generator)
    for axis in (1, 2, 3):
        mask = mask.repeat_interleave(4, axis)
    noise = torch.randn(2, 2, *mask.shape[1:], generator=generator)
    affine = torch.eye(4).expand(2, -1, -1)
    sizes = torch.tensor([mask.shape[1:]] * 2)
    return {
        "volume": mask[:, None] - 1.5 + 0.1 * noise,
        "size": sizes,
        "affine": affine,
        "original_size": sizes,
        "original_affine": affine,
        "subject": ["first", "second"],
        "path": ["first.nii.gz", "second.nii.gz"],
        "mask": mask.to(torch.uint8),
    }


def evaluation_batch() -> VolumeBatch:
    """Two whole volumes of different sizes, padded, with the classes of their original cells."""
    generator = torch.Generator().manual_seed(1)
    volumes = torch.zeros(2, 2, *SIZES[0])
    largest = [max(sides) for sides in zip(*ORIGINAL_SIZES, strict=True)]
    mask = torch.full((2, *largest), IGNORED, dtype=torch.uint8)
    for i, ((d, h, w), (a, b, c)) in enumerate(zip(SIZES, ORIGINAL_SIZES, strict=True)):
        volumes[i, :, :d, :h, :w] = torch.randn(2, d, h, w, generator=generator)
        labels = torch.randint(4, (a, b, c), generator=generator)
        mask[i, :a, :b, :c] = labels.to(torch.uint8)
    spacing = torch.diag(torch.tensor([2.0, 2.0, 2.0, 1.0]))
    turned = torch.tensor([[0.0, 1, 0, 0], [2, 0, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]])
    return {
        "volume": volumes,
        "size": torch.tensor(SIZES),
        "affine": spacing.expand(2, -1, -1),
        "original_size": torch.tensor(ORIGINAL_SIZES),
        "original_affine": torch.stack([spacing, turned]),
        "subject": ["first", "second"],
        "path": ["first.nii.gz", "second.nii.gz"],
        "mask": mask,
        "index": torch.arange(2),
    }
