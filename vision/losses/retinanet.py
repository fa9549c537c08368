"""The criterion of RetinaNet."""

import torch
from torch import Tensor, nn

from vision.contracts.detection import PADDED_TO, DetectionBatch
from vision.losses.focal import sigmoid_focal_loss
from vision.ops.boxes import at_least_float32, encode_boxes
from vision.ops.dense import AnchorOutputs
from vision.ops.matching import match_boxes
from vision.ops.reduce import mean_over_processes
from vision.ops.targets import pad_targets


class RetinaNetLoss(nn.Module):
    """Focal loss of all anchors and L1 loss of the positive ones.

    "Focal Loss for Dense Object Detection", Lin et al., 2017, sections 3 and 4, with the L1 loss of
    mmdetection in place of smooth L1. Both terms are divided by the number of positive anchors of
    the batch, to which each image adds one at least, as there; in distributed training by its mean
    over the processes. Anchors that are centred beyond an image's own padding to a multiple of 32
    pixels do not count.

    Args:
        alpha: Weight of the class of a positive anchor in the focal loss, in [0, 1].
        gamma: Exponent of the focal loss.
        fg_iou_threshold: Minimum overlap of a positive anchor with its object.
        bg_iou_threshold: Below it an anchor is background; between the two it does not count.
        crowd_iof: Background anchors do not count if at least this share of them lies in a crowd;
            null treats crowds as background, as in the published recipes.
        box_loss_weight: Factor on the L1 loss.
    """

    def __init__(
        self,
        *,
        alpha: float = 0.25,
        gamma: float = 2.0,
        fg_iou_threshold: float = 0.5,
        bg_iou_threshold: float = 0.4,
        crowd_iof: float | None = 0.5,
        box_loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.alpha, self.gamma = alpha, gamma
        self.fg_iou_threshold, self.bg_iou_threshold = fg_iou_threshold, bg_iou_threshold
        self.crowd_iof, self.box_loss_weight = crowd_iof, box_loss_weight

    def forward(self, outputs: AnchorOutputs, batch: DetectionBatch) -> dict[str, Tensor]:
        """Match the anchors with the objects of the batch and compare.

        Args:
            outputs: Training outputs of a head on anchors.
            batch: `target` and `size` are read.

        Returns:
            `loss_cls` and `loss_box`, each `()` in float32 at least.
        """
        anchors = outputs["anchors"]
        targets = pad_targets(batch["target"])
        matches = match_boxes(
            anchors,
            targets,
            fg_iou_threshold=self.fg_iou_threshold,
            bg_iou_threshold=self.bg_iou_threshold,
            low_quality_threshold=0.0,
            allow_low_quality=True,
            crowd_iof=self.crowd_iof,
            valid=_in_padded_image(anchors, batch["size"]),
        )
        positive = matches >= 0  # (B, A)
        place = matches.clamp(min=0)
        labels = torch.where(positive, targets.labels.gather(1, place), matches)
        boxes = targets.boxes.gather(1, place[..., None].expand(-1, -1, 4))
        # Places without an object have no finite box code.
        wanted = encode_boxes(anchors, boxes).where(positive[..., None], 0)
        deltas = at_least_float32(outputs["deltas"])
        loss_box = (deltas - wanted).abs().where(positive[..., None], 0).sum()
        loss_cls = sigmoid_focal_loss(outputs["logits"], labels, alpha=self.alpha, gamma=self.gamma)
        count = positive.sum(dim=1).clamp(min=1).sum().to(loss_box.dtype)
        if self.training:
            count = mean_over_processes(count)
        return {"loss_cls": loss_cls / count, "loss_box": self.box_loss_weight * loss_box / count}


def _in_padded_image(anchors: Tensor, sizes: Tensor) -> Tensor:
    """Whether anchors `(A, 4)` are centred inside each image with its own padding: `(B, A)`."""
    limits = (sizes.flip(1) + (PADDED_TO - 1)) // PADDED_TO * PADDED_TO  # (B, 2) x, y
    # Whole pixels but for rounding, which must not bring one within the limit.
    centres = ((anchors[:, :2] + anchors[:, 2:]) / 2).round()  # (A, 2)
    return (centres < limits[:, None]).all(dim=2)
