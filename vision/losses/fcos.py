"""The criterion of FCOS."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vision.contracts.detection import DetectionBatch
from vision.losses.focal import sigmoid_focal_loss
from vision.ops.boxes import at_least_float32, paired_giou
from vision.ops.dense import PointOutputs
from vision.ops.points import assign_points
from vision.ops.reduce import mean_over_processes
from vision.ops.targets import pad_targets


class FCOSLoss(nn.Module):
    """Focal loss of all locations, GIoU and centerness losses of the positive ones.

    "FCOS: A Simple and Strong Anchor-free Object Detector", Tian et al., 2020, section 2, in the
    authors' improved form: only locations near the centre of an object are positive, and the GIoU
    loss is weighted by the centerness and divided by its sum. The other terms are divided by the
    number of positive locations of the batch, at least one. In distributed training both divisors
    are means over the processes.

    Args:
        alpha: Weight of the class of a positive location in the focal loss, in [0, 1].
        gamma: Exponent of the focal loss.
        center_sampling_radius: Maximum distance of a positive location from the centre of its
            object along each axis, in strides; null for anywhere in its box, as in the paper of
            2019.
        max_distance: Maximum distance to a side of the box that a level is responsible for, in
            strides: 8 is 64, 128, 256 and 512 pixels at strides 8 to 64.
        crowd_iof: Background locations do not count if at least this share of their cell lies in a
            crowd; null treats crowds as background, as in the published recipes.
        box_loss_weight: Factor on the GIoU loss.
    """

    def __init__(
        self,
        *,
        alpha: float = 0.25,
        gamma: float = 2.0,
        center_sampling_radius: float | None = 1.5,
        max_distance: float = 8.0,
        crowd_iof: float | None = 0.5,
        box_loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.alpha, self.gamma = alpha, gamma
        self.center_sampling_radius, self.max_distance = center_sampling_radius, max_distance
        self.crowd_iof, self.box_loss_weight = crowd_iof, box_loss_weight

    def forward(self, outputs: PointOutputs, batch: DetectionBatch) -> dict[str, Tensor]:
        """Assign the locations to the objects of the batch and compare.

        Args:
            outputs: Training outputs of a head on locations.
            batch: `target` is read.

        Returns:
            `loss_cls`, `loss_box` and `loss_centerness`, each `()` in float32 at least.
        """
        points, strides = outputs["points"], outputs["strides"]
        targets = pad_targets(batch["target"])
        matches = assign_points(
            points,
            strides,
            targets,
            radius=self.center_sampling_radius,
            limit=self.max_distance,
            crowd_iof=self.crowd_iof,
        )
        positive = matches >= 0  # (B, P)
        place = matches.clamp(min=0)
        labels = torch.where(positive, targets.labels.gather(1, place), matches)
        boxes = targets.boxes.gather(1, place[..., None].expand(-1, -1, 4))
        wanted = torch.cat([points - boxes[..., :2], boxes[..., 2:] - points], dim=-1)
        # One is as good as any distance where there is no object.
        wanted = (wanted / strides[:, None]).where(positive[..., None], 1)
        centerness = _centerness(wanted).where(positive, 0)

        distances = at_least_float32(outputs["distances"])
        giou = paired_giou(_around_origin(distances), _around_origin(wanted))
        loss_box = ((1 - giou) * centerness).where(positive, 0).sum()
        loss_centerness = F.binary_cross_entropy_with_logits(
            at_least_float32(outputs["centerness"]), centerness.to(loss_box.dtype), reduction="none"
        )
        loss_centerness = loss_centerness.where(positive, 0).sum()
        loss_cls = sigmoid_focal_loss(outputs["logits"], labels, alpha=self.alpha, gamma=self.gamma)

        divisors = torch.stack([positive.sum().to(loss_box.dtype), centerness.sum()])
        if self.training:
            divisors = mean_over_processes(divisors)
        count, weight = divisors[0].clamp(min=1), divisors[1].clamp(min=1e-6)
        return {
            "loss_cls": loss_cls / count,
            "loss_box": self.box_loss_weight * loss_box / weight,
            "loss_centerness": loss_centerness / count,
        }


def _centerness(distances: Tensor) -> Tensor:
    """How central a location is in its box (equation 3): `(..., 4)` to `(...)` in (0, 1]."""
    low, high = distances[..., :2], distances[..., 2:]
    ratio = torch.minimum(low, high) / torch.maximum(low, high)  # (..., 2)
    return (ratio[..., 0] * ratio[..., 1]).sqrt()


def _around_origin(distances: Tensor) -> Tensor:
    """The box `(..., 4)` that lies so far to each side of the origin."""
    return torch.cat([-distances[..., :2], distances[..., 2:]], dim=-1)
