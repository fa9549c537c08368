"""Which query stands for which object, in DINO and Mask DINO.

Letters: B images, Q queries, M places for objects, C channels of masks, P points.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vision.contracts.detection import DetectionBatch
from vision.errors import ConfigError
from vision.losses.point_masks import mask_costs
from vision.losses.set_matching import Pairs, assign_queries, class_cost
from vision.ops.boxes import at_least_float32, box_iof, paired_giou
from vision.ops.host_values import values_like
from vision.ops.mask_points import sample_maps, sample_masks
from vision.ops.query_predictions import QueryPredictions
from vision.ops.share_boxes import boxes_to_shares, shares_to_boxes, shares_to_corners
from vision.ops.targets import PaddedTargets, pad_targets
from vision.options import Range, check_ranges


@dataclass(frozen=True)
class QueryCosts:
    """Weights of the costs of a pair.

    Attributes:
        classes: Of the focal loss of the object's class, less that of its absence.
        box: Of the sum of differences of centre, width and height, as shares of the image.
        giou: Of the generalised intersection over union, the larger the better.
        mask: Of the cross entropy of masks at points, for detectors with masks.
        dice: Of one minus the overlap of masks at points.

    Raises:
        ConfigError: A weight is negative, or those of class and box are all zero.
    """

    classes: float = 2.0
    box: float = 5.0
    giou: float = 2.0
    mask: float = 5.0
    dice: float = 5.0

    def __post_init__(self) -> None:
        check_ranges(vars(self), dict.fromkeys(vars(self), Range(minimum=0)), group="matching")
        if not self.classes + self.box + self.giou:
            raise ConfigError(
                "matching.classes, matching.box and matching.giou are all 0, so that any query "
                "would do for an object; set one of them above 0."
            )


@dataclass(frozen=True)
class QueryObjects:
    """The objects of B images, M places for each, M >= 1.

    Attributes:
        padded: The objects in pixels.
        boxes: float `(B, M, 4)`, (center x, center y, width, height) as shares of the valid image.
        sizes: `(B, 2)` valid height and width of each image in pixels.
        counts: Number of objects of each image, without crowds.
        has_crowds: Whether there are crowds.
        masks: bool `(all objects, H, W)`, image after image; None for detectors without masks.
        first: int64 `(B,)`, the first mask of each image.
    """

    padded: PaddedTargets
    boxes: Tensor
    sizes: Tensor
    counts: list[int]
    has_crowds: bool
    masks: Tensor | None
    first: Tensor

    @property
    def extents(self) -> Tensor:
        """The shares `(B, 2)` of width and height of the padded images that are valid."""
        assert self.masks is not None, "masks have the size of the padded images"
        height, width = self.masks.shape[1:]
        return self.sizes.flip(1) / values_like(self.sizes, [width, height])

    def hides(self, boxes: Tensor, crowd_iof: float) -> Tensor:
        """Whether at least a share of each box lies in a crowd.

        Args:
            boxes: float `(B, Q, 4)`, as shares of the valid image.
            crowd_iof: The share.

        Returns:
            bool `(B, Q)`.
        """
        share = box_iof(shares_to_boxes(boxes.detach(), self.sizes), self.padded.boxes)
        return share.masked_fill(~self.padded.crowd[:, None], -1).amax(dim=2) >= crowd_iof


@dataclass(frozen=True)
class PointFeatures:
    """What masks are compared with in the matching: the same points for all queries of an image.

    Attributes:
        features: float `(B, C, P)` features of masks at the points.
        targets: float `(B, M, P)` masks of the objects there, in [0, 1].
    """

    features: Tensor
    targets: Tensor


def read_objects(batch: DetectionBatch, *, masks: bool) -> QueryObjects:
    """Prepare the targets of a batch.

    Args:
        batch: `target` and `size` are read.
        masks: Whether the masks of objects are needed.
    """
    targets, sizes = batch["target"], batch["size"]
    padded = pad_targets(targets)
    counts = torch.stack([padded.valid.sum(dim=1), padded.crowd.sum(dim=1)]).tolist()
    lengths = [len(target["labels"]) for target in targets]
    return QueryObjects(
        padded=padded,
        boxes=boxes_to_shares(padded.boxes, sizes),
        sizes=sizes,
        counts=counts[0],
        has_crowds=any(counts[1]),
        masks=torch.cat([target["masks"] for target in targets]) if masks else None,
        first=values_like(padded.labels, [0, *lengths[:-1]]).cumsum(dim=0),
    )


@torch.no_grad()
def draw_point_features(mask_features: Tensor, objects: QueryObjects, count: int) -> PointFeatures:
    """Draw points of each valid image, and read the features and the objects' masks there.

    Args:
        mask_features: float `(B, C, h, w)` of the padded images.
        objects: The objects, with masks.
        count: Number P of points of an image.
    """
    masks = objects.masks
    assert masks is not None, "a detector with masks has read them"
    batch, places = objects.padded.labels.shape
    points = torch.rand(batch, count, 2, device=mask_features.device) * objects.extents[:, None]
    lengths = torch.diff(objects.first, append=objects.first.new_full((1,), len(masks)))
    image = torch.arange(batch, device=points.device).repeat_interleave(
        lengths, output_size=len(masks)
    )
    index = torch.arange(len(masks), device=points.device)
    values = sample_masks(masks, index, points[image])  # (all objects, P)
    targets = values.new_zeros(batch, places, count)
    targets[image, index - objects.first[image]] = values
    return PointFeatures(sample_maps(mask_features, points), targets)


@torch.no_grad()
def match_layers(
    layers: Sequence[QueryPredictions],
    objects: QueryObjects,
    costs: QueryCosts,
    points: PointFeatures | None = None,
) -> list[Pairs]:
    """Match the queries of each layer with the objects one to one, at the smallest sum of costs.

    Args:
        layers: Predictions, of as many queries in each.
        objects: The objects.
        costs: Weights of the costs.
        points: For the costs of masks; None without.
    """
    found = [query_costs(layer, objects, costs, points) for layer in layers]
    return assign_queries(found, objects.padded.valid)


def query_costs(
    predictions: QueryPredictions,
    objects: QueryObjects,
    costs: QueryCosts,
    points: PointFeatures | None = None,
) -> Tensor:
    """The cost `(B, Q, M)` of each query for each place; that of empty places has no meaning."""
    boxes = at_least_float32(predictions["boxes"])[:, :, None]  # (B, Q, 1, 4)
    wanted = objects.boxes[:, None]  # (B, 1, M, 4)
    giou = paired_giou(shares_to_corners(boxes), shares_to_corners(wanted))
    classes = class_cost(at_least_float32(predictions["logits"]))
    columns = objects.padded.labels[:, None].expand(-1, classes.shape[1], -1)
    total = (
        costs.classes * classes.gather(2, columns)
        + costs.box * (boxes - wanted).abs().sum(dim=-1)
        - costs.giou * giou
    )
    if points is None or "mask_codes" not in predictions:
        return total
    entropy, dice = mask_costs(predictions["mask_codes"], points.features, points.targets)
    return total + costs.mask * entropy + costs.dice * dice
