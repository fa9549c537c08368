"""Noised objects that queries learn to denoise, beside their own task.

"DINO: DETR with Improved DeNoising Anchor Boxes for End-to-End Object Detection", Zhang et al.,
2022, https://arxiv.org/abs/2203.03605, section 3.3.

Letters: B images, N noised queries of an image, Q queries that are matched, T pairs, M places for
the objects of an image, G groups, K classes. The N queries are group after group; each has M
positive places and then M negative ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vision.contracts.detection import DetectionTarget
from vision.ops.share_boxes import boxes_to_shares, corners_to_shares, shares_to_corners
from vision.ops.targets import pad_targets
from vision.options import MAX_COUNT, PROBABILITY, Range, check_ranges

# Of the box of an empty place: the one that the logit zero stands for.
EMPTY = 0.5


@dataclass(frozen=True)
class DenoisingOptions:
    """How many noised queries there are, and how noisy they are.

    Attributes:
        queries: Number of positive queries of the image with the most objects; all images get as
            many groups as that allows, at least one. 0 for no denoising.
        label_noise: Twice the probability with which a class is replaced by any class.
        box_noise: Largest shift of a side of a positive box, in halves of the box; sides of
            negative boxes shift by once to twice that.

    Raises:
        ConfigError: A value is out of its range.
    """

    queries: int = 100
    label_noise: float = 0.5
    box_noise: float = 1.0

    def __post_init__(self) -> None:
        ranges = {
            "queries": Range(minimum=0, maximum=MAX_COUNT),
            "label_noise": PROBABILITY,
            "box_noise": Range(minimum=0),
        }
        check_ranges(vars(self), ranges, group="denoising")


@dataclass(frozen=True)
class NoiseDraws:
    """The random numbers behind the noise.

    Attributes:
        chance: float `(B, N)` in [0, 1); the class is replaced where it is small.
        labels: int64 `(B, N)` in [0, K), what replaces it.
        shifts: float `(B, N, 4)` in [-1, 1), of the sides left, top, right, bottom.
    """

    chance: Tensor
    labels: Tensor
    shifts: Tensor


@dataclass(frozen=True)
class NoisedQueries:
    """Noised objects of B images, padded to one number.

    Attributes:
        labels: int64 `(B, N)` noised class, K in empty places.
        boxes: float32 `(B, N, 4)` noised boxes, (center x, center y, width, height) as shares of
            the valid image in [0, 1]; 0.5 in empty places.
        groups: Number G of groups; each has a positive and a negative query per object.
        blocked: bool `(N + Q, N + Q)`, whether a query (row) must not see another (column). The
            noised queries are the first.
        image: int64 `(T,)` image of each positive query, ascending.
        query: int64 `(T,)` its place among the N.
        place: int64 `(T,)` of its object among the targets of the image.
    """

    labels: Tensor
    boxes: Tensor
    groups: int
    blocked: Tensor
    image: Tensor
    query: Tensor
    place: Tensor


@torch.no_grad()
def noised_queries(
    targets: Sequence[DetectionTarget],
    sizes: Tensor,
    options: DenoisingOptions,
    *,
    num_classes: int,
    num_queries: int,
    draws: NoiseDraws | None = None,
) -> NoisedQueries | None:
    """Make noised queries of the objects of a batch; crowds are left out.

    As in the authors' code (https://github.com/IDEA-Research/DINO), except that a small number of
    `queries` is no number of groups.

    Args:
        targets: The objects of each image, on one device.
        sizes: `(B, 2)` valid height and width of each image in pixels.
        options: Number and noise.
        num_classes: Number K of classes.
        num_queries: Number Q of queries that are matched.
        draws: The random numbers; PyTorch's generator of the device draws them if None.

    Returns:
        The queries; None without objects, or if denoising is off.
    """
    if not targets or options.queries == 0:
        return None
    objects = pad_targets(targets)
    counts = objects.valid.sum(dim=1).tolist()
    if not any(counts):
        return None
    most, places = max(counts), objects.valid.shape[1]
    # By a sort, since a list of unknown length would wait for the device again.
    filled_first = (~objects.valid).flatten().argsort(stable=True)[: sum(counts)]
    image, place = filled_first // places, filled_first % places
    groups = max(1, options.queries // most)
    # Crowds leave no gap.
    rank = objects.valid.cumsum(dim=1)[image, place] - 1
    shape = (len(targets), groups, 2, most)
    labels = objects.labels.new_full(shape, num_classes)
    labels[image, :, :, rank] = objects.labels[image, place][:, None, None]
    exact = boxes_to_shares(objects.boxes, sizes)
    boxes = exact.new_full((*shape, 4), EMPTY)
    boxes[image, :, :, rank] = exact[image, place][:, None, None]
    negative = torch.zeros(shape, dtype=torch.bool, device=boxes.device)
    negative[:, :, 1] = True

    labels, boxes, negative = labels.flatten(1), boxes.flatten(1, 3), negative.flatten(1)
    draws = draws or draw_noise(labels.shape, num_classes, labels.device)
    filled = labels != num_classes
    replaced = filled & (draws.chance < options.label_noise / 2)
    noised = _shift_sides(boxes, draws.shifts, negative, options.box_noise)
    start = torch.arange(groups, device=image.device) * 2 * most
    return NoisedQueries(
        labels=torch.where(replaced, draws.labels, labels),
        boxes=torch.where(filled[..., None], noised, EMPTY),
        groups=groups,
        blocked=_blocked(groups, 2 * most, num_queries, image.device),
        image=image.repeat_interleave(groups),
        query=(rank[:, None] + start).flatten(),
        place=place.repeat_interleave(groups),
    )


def draw_noise(shape: Sequence[int], num_classes: int, device: torch.device) -> NoiseDraws:
    """Draw the random numbers of `(B, N)` queries by PyTorch's generator of a device.

    Args:
        shape: B and N.
        num_classes: Number K of classes.
        device: Where to draw.
    """
    return NoiseDraws(
        chance=torch.rand(*shape, device=device),
        labels=torch.randint(num_classes, tuple(shape), device=device),
        shifts=torch.rand(*shape, 4, device=device) * 2 - 1,
    )


def _shift_sides(boxes: Tensor, shifts: Tensor, negative: Tensor, box_noise: float) -> Tensor:
    """Boxes `(B, N, 4)` whose sides are shifted, cut at the borders of the image."""
    further = torch.where(negative[..., None], torch.ones_like(shifts).copysign(shifts), 0)
    half = boxes[..., 2:].repeat(1, 1, 2) / 2
    corners = shares_to_corners(boxes) + (shifts + further) * half * box_noise
    shares = corners_to_shares(corners.clamp(0, 1))
    # Sides may have changed places; the inverse of the sigmoid knows no negative sizes anyway.
    return shares.clamp(min=0)


def _blocked(groups: int, size: int, num_queries: int, device: torch.device) -> Tensor:
    """Whether a query (row) must not see another: `(N + Q, N + Q)` for groups of a size.

    A group sees itself and the matched queries, which see no noised ones: these would tell them
    where the objects are.
    """
    owner = torch.arange(groups, device=device).repeat_interleave(size)
    owner = torch.cat([owner, owner.new_full((num_queries,), -1)])
    return (owner[:, None] != owner) & (owner >= 0)
