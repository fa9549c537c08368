"""Differences between the outputs of an exported program and of its source."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from vision.ops.boxes import box_iou

# Two detections match if their IoU exceeds this and their labels are equal.
SAME_BOX = 0.99
# Maximum share of unmatched detections: scores near a threshold may fall on either side.
MAX_UNMATCHED = 0.02
# Maximum share of pixels with other queries, and mean relative difference of values, where cells
# whose two best queries tie may be assigned to either.
MAX_REASSIGNED, MAX_MOVED = 0.01, 1e-3


@dataclass(frozen=True)
class Difference:
    """The difference of an output from the source's.

    Attributes:
        output: Its name, and the measure if it is not the values.
        absolute: The largest absolute difference; for classes, the share of unequal ones.
        relative: The same, divided by the largest absolute value of the source.
        tolerance: The largest allowed relative difference.
    """

    output: str
    absolute: float
    relative: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether the difference is within the tolerance; NaN is not."""
        return self.relative <= self.tolerance


def compare_outputs(
    found: Mapping[str, Tensor],
    source: Mapping[str, Tensor],
    *,
    tolerance: float,
) -> list[Difference]:
    """Compare all outputs.

    Args:
        found: Outputs of the exported program by name.
        source: Outputs of its source.
        tolerance: Allowed relative difference of values, and share of unequal classes.

    Returns:
        One or more differences per output; infinite if an output is absent or has another shape.
    """
    return _misshapen(found, source, tolerance) or [
        _compare(name, found[name], source[name], tolerance) for name in source
    ]


def _misshapen(
    found: Mapping[str, Tensor], source: Mapping[str, Tensor], tolerance: float
) -> list[Difference]:
    """The first output that is absent or has another shape."""
    for name, expected in source.items():
        if name not in found or found[name].shape != expected.shape:
            return [Difference(name, float("inf"), float("inf"), tolerance)]
    return []


def _compare(name: str, found: Tensor, source: Tensor, tolerance: float) -> Difference:
    if not source.is_floating_point():
        share = float((found != source).double().mean()) if source.numel() else 0.0
        return Difference(f"{name} (share unequal)", share, share, tolerance)
    absolute, largest = _largest(found.double() - source.double()), _largest(source.double())
    return Difference(name, absolute, absolute / largest if largest else absolute, tolerance)


def _largest(values: Tensor) -> float:
    return float(values.abs().max()) if values.numel() else 0.0


def compare_assigned(
    found: Mapping[str, Tensor], source: Mapping[str, Tensor], *, tolerance: float
) -> list[Difference]:
    """Compare outputs of a model that assigns every cell to its best query.

    Where two queries tie, rounding decides, and one cell moves all values a little: values are
    compared by the mean of their differences, and a share of the pixels may have other queries.
    Otherwise as `compare_outputs`.
    """
    return _misshapen(found, source, tolerance) or [
        _compare_mean(name, found[name], source[name], tolerance) for name in source
    ]


def _compare_mean(name: str, found: Tensor, source: Tensor, tolerance: float) -> Difference:
    if not source.is_floating_point():
        share = float((found != source).double().mean()) if source.numel() else 0.0
        return Difference(f"{name} (share unequal)", share, share, max(tolerance, MAX_REASSIGNED))
    mean = float((found.double() - source.double()).abs().mean()) if source.numel() else 0.0
    largest = _largest(source.double())
    relative = mean / largest if largest else mean
    return Difference(f"{name} (mean)", mean, relative, max(tolerance, MAX_MOVED))


def compare_objects(
    found: Mapping[str, Tensor], source: Mapping[str, Tensor], *, tolerance: float
) -> list[Difference]:
    """Compare detections after matching them by `boxes` and `labels`.

    Of each image the first `count` are compared. Otherwise as `compare_outputs`.
    """
    if misshapen := _misshapen(found, source, tolerance):
        return misshapen
    total, unmatched = 0, 0
    values = [name for name in source if name not in ("labels", "count")]
    pairs: dict[str, list[Tensor]] = {name: [] for name in values}
    sides = {name: [] for name in pairs}  # type: dict[str, list[Tensor]]
    for i, (ours, theirs) in enumerate(
        zip(source["count"].tolist(), found["count"].tolist(), strict=True)
    ):
        rows, places = _partners(
            {name: values[i, :theirs] for name, values in found.items() if name != "count"},
            {name: values[i, :ours] for name, values in source.items() if name != "count"},
        )
        total += max(ours, theirs)
        unmatched += max(ours, theirs) - len(rows)
        for name in pairs:
            sides[name].append(source[name][i, rows])
            pairs[name].append(found[name][i, places])
    share = unmatched / total if total else 0.0
    differences = [Difference("objects (share unmatched)", share, share, MAX_UNMATCHED)]
    for name in pairs:
        both = torch.cat(pairs[name]), torch.cat(sides[name])
        differences.append(_compare(name, *both, tolerance))
    return differences


def _partners(
    found: Mapping[str, Tensor], source: Mapping[str, Tensor]
) -> tuple[list[int], list[int]]:
    """Rows of the source and the matching rows of `found`, each at most once."""
    overlap = box_iou(source["boxes"].double(), found["boxes"].double())  # (M, N)
    overlap[source["labels"][:, None] != found["labels"]] = 0.0
    rows, places = [], []
    for row in range(len(overlap)):
        if overlap.shape[1] == 0:
            break
        place = int(overlap[row].argmax())
        if overlap[row, place] > SAME_BOX:
            rows.append(row)
            places.append(place)
            overlap[:, place] = 0.0
    return rows, places
