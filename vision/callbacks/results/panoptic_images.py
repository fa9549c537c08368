"""The images of a panoptic evaluation: their segments, matched and scored."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import PurePath
from typing import Any, NamedTuple

import torch
from torch import Tensor

from vision.callbacks.results.evaluated import Evaluated
from vision.callbacks.results.examples import Scored
from vision.callbacks.results.shelf import Shelf
from vision.contracts.segments import SegmentInfo
from vision.draw.panoptic import PanopticExample, Segmented
from vision.metrics.panoptic import Matches, Overlaps, match_segments, overlaps, segments_of


class Compared(NamedTuple):
    """An image whose prediction is compared with its ground truth.

    Attributes:
        scored: The image, by its panoptic quality over all segments.
        prediction: Its prediction.
        segments: The true segments.
        pairs: Overlaps of true and predicted segments.
    """

    scored: Scored
    prediction: Any
    segments: Sequence[SegmentInfo]
    pairs: Overlaps


def compare_images(evaluated: Evaluated) -> Iterator[Compared]:
    """Compare the images of a batch with their ground truth."""
    batch, places = evaluated.batch, evaluated.places.tolist()
    for i, (one, place) in enumerate(zip(evaluated.predictions, places, strict=True)):
        height, width = one["mask"].shape
        target = batch["mask"][i, :height, :width]
        pairs = overlaps(target.cpu().numpy(), one["mask"].cpu().numpy())
        truth, found = segments_of(batch["segments"][i]), segments_of(one["segments"])
        matches = match_segments(pairs, truth, found)
        objects = int((~truth.crowd).sum())
        scored = Scored(place, image_quality(matches), objects, PurePath(batch["path"][i]).name)
        yield Compared(scored, one, batch["segments"][i], pairs)


def image_quality(matches: Matches) -> float:
    """The panoptic quality of one image over the segments of all classes.

    Returns:
        In [0, 1]; NaN if there are no segments that count.
    """
    errors = int(matches.wrong.sum()) + int(matches.missed.sum())
    weight = len(matches.iou) + errors / 2
    return float(matches.iou.sum() / weight) if weight else float("nan")


def shelve(shelf: Shelf, compared: Compared) -> None:
    """Put an image on a shelf."""
    shelf.add(compared.scored, partial(as_segmented, compared.prediction))


def as_segmented(prediction: Any) -> Segmented:
    """A prediction on the CPU, to be kept."""
    return Segmented(prediction["mask"].to("cpu", torch.int32), list(prediction["segments"]))


def make_example(
    title: str, image: Tensor, prediction: Segmented, target: Segmented
) -> PanopticExample:
    """An image as it is drawn, with the segments that have no match.

    Args:
        title: A line above it.
        image: uint8 `(3, H, W)` RGB.
        prediction: What was found.
        target: The ground truth.
    """
    truth, found = segments_of(target.segments), segments_of(prediction.segments)
    pairs = overlaps(target.mask.numpy(), prediction.mask.numpy())
    matches = match_segments(pairs, truth, found)
    wrong, missed = found.ids[matches.wrong].tolist(), truth.ids[matches.missed].tolist()
    return PanopticExample(title, image, prediction, target, wrong, missed)
