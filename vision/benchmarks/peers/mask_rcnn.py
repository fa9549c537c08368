"""torchvision's Mask R-CNN with our backbone, and with the numbers and weights of ours.

Anchors and RoIAlign are given to it as the paper and the published recipes have them: anchors of
exact sides at multiples of the maps' strides, where torchvision rounds both; regions that are
aligned, with as many samples as the map has cells, where torchvision takes 2 x 2. Both sides then
find the same objects.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.ops import FeaturePyramidNetwork, MultiScaleRoIAlign, roi_align
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool
from torchvision.ops.poolers import LevelMapper

from vision.backbones.base import Backbone
from vision.ops.boxes import at_least_float32
from vision.tasks.detection import Detection
from vision.weights.names.table import Names

STRIDES = (4, 8, 16, 32, 64)
SCALE = 8  # side of a square anchor, in strides
RATIOS = (0.5, 1.0, 2.0)
NAMES = Names(
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
        self.body = backbone
        self.out_channels = 256
        channels = [spec.channels for spec in backbone.feature_specs]
        self.fpn = FeaturePyramidNetwork(channels, 256, extra_blocks=LastLevelMaxPool())

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """`(B, 3, H, W)` to maps by name."""
        maps = {str(i): one for i, one in enumerate(self.body(images))}
        return self.fpn(maps)


class ExactAnchors(AnchorGenerator):
    """Anchors of exact sides, at multiples of the strides."""

    def __init__(self) -> None:
        super().__init__(tuple((SCALE * s,) for s in STRIDES), (RATIOS,) * len(STRIDES))

    def generate_anchors(
        self,
        scales: Any,
        aspect_ratios: Any,
        dtype: torch.dtype = torch.float32,
        device: torch.device | None = None,
    ) -> Tensor:
        """Boxes `(A, 4)` around the origin, not rounded."""
        side = torch.as_tensor(scales, dtype=dtype, device=device)
        root = torch.as_tensor(aspect_ratios, dtype=dtype, device=device).sqrt()
        width, height = (1 / root[:, None] * side).flatten(), (root[:, None] * side).flatten()
        return torch.stack([-width, -height, width, height], dim=1) / 2

    def grid_anchors(self, grid_sizes: Any, strides: Any) -> list[Tensor]:
        """Boxes of each map, at multiples of its stride whichever the size of the image."""
        exact = [
            [torch.tensor(stride, device=given[0].device)] * 2
            for stride, given in zip(STRIDES, strides, strict=True)
        ]
        return super().grid_anchors(grid_sizes, exact)


class AlignedPool(MultiScaleRoIAlign):
    """RoIAlign as published, from the map that fits the size of a box.

    Args:
        size: Cells of the grid along each side.
    """

    def __init__(self, size: int) -> None:
        names = [str(i) for i in range(len(STRIDES) - 1)]
        super().__init__(names, output_size=size, sampling_ratio=0)
        self.level_of = LevelMapper(2, 5)

    def forward(
        self, x: dict[str, Tensor], boxes: list[Tensor], image_shapes: list[tuple[int, int]]
    ) -> Tensor:
        """Features `(R, C, size, size)` of the boxes `(R_i, 4)` of all images."""
        level = self.level_of(boxes)
        images = [torch.full_like(one[:, :1], i) for i, one in enumerate(boxes)]
        rois = at_least_float32(torch.cat([torch.cat(images), torch.cat(boxes)], dim=1))  # (R, 5)
        found = rois.new_zeros(len(rois), x["0"].shape[1], *self.output_size)
        for i, stride in enumerate(STRIDES[:-1]):
            rows = torch.where(level == i)[0]
            given = x[str(i)].to(rois.dtype), rois[rows], self.output_size
            found[rows] = roi_align(*given, 1 / stride, aligned=True)
        return found


def their_detector(ours: Detection, backbone: Backbone, *, size: tuple[int, int]) -> MaskRCNN:
    """Mask R-CNN of torchvision with the settings and the weights of ours, for images of a size.

    Args:
        ours: A Mask R-CNN.
        backbone: A backbone as that of ours, whose weights it gets.
        size: Height and width of the images in pixels.
    """
    head: Any = ours.head
    rpn = head.rpn.settings
    theirs = MaskRCNN(
        TheirBackbone(backbone),
        num_classes=ours.num_classes + 1,
        rpn_anchor_generator=ExactAnchors(),
        rpn_pre_nms_top_n_train=rpn.pre_nms_topk_train,
        rpn_pre_nms_top_n_test=rpn.pre_nms_topk_test,
        rpn_post_nms_top_n_train=rpn.post_nms_topk_train,
        rpn_post_nms_top_n_test=rpn.post_nms_topk_test,
        box_batch_size_per_image=head.batch_size_per_image,
        box_detections_per_img=head.max_per_image,
        box_roi_pool=AlignedPool(7),
        mask_roi_pool=AlignedPool(14),
        # Only in training would it leave the size of images alone if asked to.
        min_size=min(size),
        max_size=max(size),
    )
    missing = theirs.load_state_dict(their_weights(ours.state_dict()), strict=False)
    assert not missing.missing_keys, missing
    return theirs


def their_weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our weights under torchvision's names; its background is the first class, ours the last."""
    renamed = NAMES.write(state)
    for name, tensor in renamed.items():
        if ".cls_score." in name:
            renamed[name] = tensor.roll(1, dims=0)
        elif ".bbox_pred." in name and name.startswith("roi_heads."):
            renamed[name] = torch.cat([torch.zeros_like(tensor[:4]), tensor])
        elif ".mask_fcn_logits." in name:
            renamed[name] = torch.cat([torch.zeros_like(tensor[:1]), tensor])
    return renamed


def their_objects(theirs: MaskRCNN, images: Tensor) -> list[dict[str, Tensor]]:
    """What torchvision finds in images `(B, 3, H, W)` of values 0..1, masks not yet enlarged.

    Returns:
        For each image `boxes` `(N, 4)`, `scores` `(N,)`, `labels` `(N,)` as ours count them, and
        `masks` `(N, 28, 28)`.
    """
    given, _ = theirs.transform(list(images))
    maps = theirs.backbone(given.tensors)
    proposals, _ = theirs.rpn(given, maps)
    found, _ = theirs.roi_heads(maps, proposals, given.image_sizes)
    return [{**one, "labels": one["labels"] - 1, "masks": one["masks"].squeeze(1)} for one in found]
