"""kMaX-DeepLab: time and memory of the head and of a training step, and the post-processing.

`vision.benchmarks.heads` says what is measured of head and step. The post-processing, from the
logits of an image to its segments, is compared with its definition word by word, on whole tensors:
both resizes, the softmax over all queries, a mask per query.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vision.benchmarks.computing import Computing
from vision.benchmarks.heads import Settings, measure_heads
from vision.benchmarks.measurement import Measurement, begin, check_same
from vision.benchmarks.results import Table
from vision.contracts.segments import SegmentInfo
from vision.ops.panoptic_inference import ImageSizes, predict_panoptic
from vision.ops.panoptic_merge import MergeOptions, merge_segments
from vision.tasks.panoptic import PanopticSegmentation
from vision.tasks.panoptic_decoders import DECODERS

CLASSES = 133
THINGS = list(range(80))
# Boxes of a training image, and regions of an image whose logits are merged.
SEGMENTS, REGIONS = 20, 60
# How far the logit of a region's query is above the others, whose deviation is 1.
MARGIN = 10.0
# Share of pixels of the same segment: where two queries tie, rounding decides.
MIN_SAME = 0.9999
MERGE = MergeOptions(thing_threshold=0.0, stuff_threshold=0.0)


@dataclass(frozen=True)
class PostSettings:
    """Settings of the measurement of the post-processing.

    Attributes:
        height: Height of the image in pixels.
        width: Its width.
        queries: Number of queries.
        stride: Pixels of the image per cell of the masks.
    """

    height: int
    width: int
    queries: int
    stride: int


def build(
    decoder: str, backbone: str, batch: int, size: tuple[int, int]
) -> tuple[Any, dict[str, Any]]:
    """A model of 133 classes, and random normalised images with boxes for segments."""
    task = PanopticSegmentation(backbone, CLASSES, decoder=decoder, things=THINGS)
    return task, make_batch(batch, size)


def make_batch(batch: int, size: tuple[int, int]) -> dict[str, Any]:
    """Random normalised images with boxes for segments, the same every time."""
    generator = torch.Generator().manual_seed(0)
    masks = torch.zeros(batch, *size, dtype=torch.int32)
    segments: list[list[SegmentInfo]] = []
    for mask in masks:
        corners = torch.rand(SEGMENTS, 2, generator=generator) * torch.tensor(size) * 0.75
        labels = torch.randint(0, CLASSES, (SEGMENTS,), generator=generator).tolist()
        for number, (top, left) in enumerate(corners.long().tolist(), start=1):
            mask[top : top + size[0] // 4, left : left + size[1] // 4] = number
        segments.append(
            [
                {"id": number, "category_id": label, "isthing": label < len(THINGS)}
                for number, label in enumerate(labels, start=1)
            ]
        )
    images = torch.randn(batch, 3, *size, generator=generator)
    return {"image": images, "mask": masks, "segments": segments}


def measure_panoptic(settings: Settings, post: PostSettings) -> Table:
    """Measure each backbone and size, and then the post-processing of one image."""
    measured = begin("kMaX-DeepLab and its post-processing", settings)
    measure_heads(measured, {decoder: partial(build, decoder) for decoder in DECODERS}, settings)
    measure_post_processing(measured, post, settings)
    return measured.table()


def measure_post_processing(measured: Measurement, post: PostSettings, settings: Computing) -> None:
    """Add the time of the post-processing beside that of its definition.

    Raises:
        UnequalSidesError: Fewer pixels than `MIN_SAME` get the same segment.
    """
    classes, masks, sizes = make_logits(post)
    classes, masks = classes.to(settings.place), masks.to(settings.place)
    ours = partial(
        predict_panoptic,
        *(classes, masks, sizes),
        things=THINGS,
        merge=MERGE,
        semantic=False,
        instances=False,
    )
    theirs = partial(by_definition, classes, masks, sizes)
    what = f"post-processing of {post.height} x {post.width}, {post.queries} queries"
    found = ours()["mask"].cpu(), torch.from_numpy(theirs())
    measured.compare(
        what,
        ours,
        theirs,
        rounds=settings.rounds,
        warmup=settings.warmup,
        peer="definition",
        difference=check_same(*found, minimum=MIN_SAME, what=what),
    )


def make_logits(settings: PostSettings) -> tuple[Tensor, Tensor, ImageSizes]:
    """Logits of an image of regions, each of one query, as a trained model gives them.

    Returns:
        Logits of classes `(N, K + 1)` and of masks `(N, h, w)`, and the sizes of the image, which
        is enlarged by a pixel for the network.
    """
    generator = torch.Generator().manual_seed(0)
    original = (settings.height, settings.width)
    padded = (original[0] + 1, original[1] + 1)
    height, width = (-(-side // settings.stride) for side in padded)
    places = torch.rand(REGIONS, 2, generator=generator) * torch.tensor([height, width])
    grid = torch.stack(
        torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij"), dim=-1
    )
    nearest = torch.cdist(grid.flatten(0, 1).float(), places).argmin(dim=1).view(height, width)
    owners = F.one_hot(nearest % settings.queries, settings.queries).permute(2, 0, 1).float()
    masks = torch.randn(settings.queries, height, width, generator=generator) + MARGIN * owners
    classes = torch.randn(settings.queries, CLASSES + 1, generator=generator)
    valid = (original[0], padded[1])
    return classes, masks, ImageSizes(padded=padded, valid=valid, original=original)


def by_definition(class_logits: Tensor, mask_logits: Tensor, sizes: ImageSizes) -> np.ndarray:
    """The ids of the segments `(H, W)`, from probabilities of all queries at all pixels."""
    aligned = sizes.padded[1] % 2 == 1
    shares = torch.stack([_enlarge(mask, sizes, aligned) for mask in mask_logits]).softmax(dim=0)
    members = shares > 0.4
    area = members.sum(dim=(1, 2))
    confidence = shares.mul_(members).sum(dim=(1, 2)) / area.clamp(min=1)
    best = shares.topk(2, dim=0)
    queries = best.indices.masked_fill(best.values == 0, -1)
    classes = class_logits.softmax(dim=-1)[:, :-1]
    ids, _ = merge_segments(
        *(x.cpu().numpy() for x in (queries, area, confidence, classes)),
        things=THINGS,
        options=MERGE,
    )
    return ids


def _enlarge(mask: Tensor, sizes: ImageSizes, aligned: bool) -> Tensor:
    options: dict[str, Any] = {"mode": "bilinear", "align_corners": aligned}
    x = F.interpolate(mask[None, None], sizes.padded, **options)
    x = x[..., : sizes.valid[0], : sizes.valid[1]]
    return F.interpolate(x, sizes.original, **options)[0, 0]
