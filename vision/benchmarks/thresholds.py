"""What is known of volumes by the brightness of single cells: a baseline for their segmentation.

For each region or class one modality is chosen, with one threshold above which its cells are, or
with two between which they are: those of the best mean Dice on the training subjects. A model that
has learned shapes and places is better.

Letters: S subjects, K regions or classes, C modalities, N bins.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from vision.contracts.volumes import IGNORED, Regions
from vision.errors import DataError
from vision.metrics.text_table import cell, columns
from vision.ops.volume_regions import region_masks
from vision.ops.volume_resampling import to_original

BINS = 256
# Subjects whose values give the range of the bins; values beyond it count in the last ones.
RANGED = 8
SPLITS = ("train", "val")
WAYS = ("above one threshold", "between two thresholds")


class Histograms(NamedTuple):
    """The values of the cells of subjects.

    Attributes:
        all: int64 `(S, C, N)`, cells of each bin that have a label.
        inside: int64 `(S, K, C, N)`, those of each region.
    """

    all: np.ndarray
    inside: np.ndarray


class Limits(NamedTuple):
    """A rule for one region: a cell belongs to it if a modality is in a range of bins.

    Attributes:
        modality: Index of the modality.
        first: First bin.
        end: The bin behind the last one.
    """

    modality: int
    first: int
    end: int


def measure_thresholds(*, data: Any) -> None:
    """Print the Dice of thresholds on the validation set of a datamodule of volumes.

    Args:
        data: The datamodule, a `VolumeData`.

    Raises:
        DataError: It is of another kind, a file is absent or wrong, or no training subject has any
            region.
    """
    if getattr(data, "kind", None) != "volumes":
        raise DataError(f"{type(data).__name__} has no volumes; give a dataset that has, as BraTS.")
    regions = data.regions or {
        name: (label,) for label, name in enumerate(data.class_names) if label
    }
    # Whole volumes, as in evaluation, of the training subjects too.
    train, val = (data.make_samples(data.index(split), data.eval_transform) for split in SPLITS)
    edges = value_edges(train)
    fitted, held_out = (count_values(one, regions, edges) for one in (train, val))
    rows = [["", "Dice", *regions]]
    rules: list[str] = []
    for way in WAYS:
        limits = [fit_limits(fitted, k, below=way == WAYS[1]) for k in range(len(regions))]
        dice = [float(mean_dice(held_out, k, one)) for k, one in enumerate(limits)]
        rows.append([way, cell(float(np.nanmean(dice))), *map(cell, dice)])
        for name, one in zip(regions, limits, strict=True):
            rules.append(f"{name}, {way}: {_in_words(one, data.modalities, edges)}")
    print("\n".join([*columns(rows), *rules]))


def value_edges(dataset: Any) -> np.ndarray:
    """Edges of bins that hold the values of the first subjects: float64 `(C, N + 1)`.

    Raises:
        DataError: There are no subjects.
    """
    samples = [dataset[place] for place in range(min(len(dataset), RANGED))]
    if not samples:
        raise DataError("there are no training subjects, and so no thresholds.")
    volumes = [sample["volume"].flatten(1) for sample in samples]
    low = torch.stack([volume.amin(dim=1) for volume in volumes]).amin(dim=0)
    high = torch.stack([volume.amax(dim=1) for volume in volumes]).amax(dim=0)
    return np.linspace(low.numpy(), high.numpy(), BINS + 1, axis=1, dtype=np.float64)


def count_values(dataset: Any, regions: Regions, edges: np.ndarray) -> Histograms:
    """Count the values of the cells of each subject, on the grid of its labels.

    Args:
        dataset: Samples as of evaluation, `VolumeSample` with masks.
        regions: The regions.
        edges: Edges of the bins, `(C, N + 1)`.
    """
    whole, inside = [], []
    for place in range(len(dataset)):
        sample = dataset[place]
        mask = sample["mask"]
        bins = _bins(_on_labels(sample), edges)
        masks = [mask != IGNORED, *region_masks(mask, regions)]
        counts = np.stack([_count(bins, one.numpy()) for one in masks])
        whole.append(counts[0])
        inside.append(counts[1:])
    return Histograms(np.stack(whole), np.stack(inside))


def fit_limits(found: Histograms, region: int, *, below: bool) -> Limits:
    """The rule of the best mean Dice for a region.

    Args:
        found: Values of the training subjects.
        region: Its index.
        below: Whether there is a second threshold, below which cells are.

    Raises:
        DataError: No subject has the region.
    """
    has = found.inside[:, region, 0].sum(axis=1) > 0
    if not has.any():
        raise DataError("a region is in no training subject, and so has no thresholds.")
    best, chosen = -1.0, Limits(0, 0, 0)
    count = found.all.shape[2]
    for modality in range(found.all.shape[1]):
        inside = _summed(found.inside[has, region, modality])
        every = _summed(found.all[has, modality])
        for end in range(1, count + 1) if below else (count,):
            hits = inside[:, end, None] - inside[:, :end]  # (S, end), of each first bin
            cells = every[:, end, None] - every[:, :end]
            dice = (2 * hits / (inside[:, -1:] + cells)).mean(axis=0)
            first = int(dice.argmax())
            if dice[first] > best:
                best, chosen = float(dice[first]), Limits(modality, first, end)
    return chosen


def mean_dice(found: Histograms, region: int, limits: Limits) -> float:
    """Mean Dice of a rule over the subjects that have a region; NaN where none has."""
    inside = found.inside[:, region, limits.modality]
    has = inside.sum(axis=1) > 0
    span = slice(limits.first, limits.end)
    hits = inside[has, span].sum(axis=1)
    cells = found.all[has, limits.modality, span].sum(axis=1)
    return float((2 * hits / (inside[has].sum(axis=1) + cells)).mean()) if has.any() else np.nan


def _on_labels(sample: Mapping[str, Any]) -> Tensor:
    """The values of a sample at the cells of its mask, `(C, d, h, w)`."""
    volume: Tensor = sample["volume"]
    affines = (sample["affine"], sample["original_affine"])
    return to_original(volume, *affines, sample["original_size"])


def _bins(volume: Tensor, edges: np.ndarray) -> np.ndarray:
    """The bin of each value, int64 `(C, ...)`."""
    count = edges.shape[1] - 1
    flat = volume.double().numpy()
    low, high = (edges[:, place].reshape(-1, 1, 1, 1) for place in (0, -1))
    share = (flat - low) / np.maximum(high - low, 1e-12)
    found: np.ndarray = np.floor(share * count).astype(np.int64).clip(0, count - 1)
    return found


def _count(bins: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Number of cells of each bin, int64 `(C, N)`."""
    return np.stack([np.bincount(channel[inside], minlength=BINS) for channel in bins])


def _summed(counts: np.ndarray) -> np.ndarray:
    """Sums of the first bins, `(S, N + 1)`, from none of them to all."""
    return np.pad(np.cumsum(counts, axis=1), ((0, 0), (1, 0)))


def _in_words(limits: Limits, modalities: Sequence[str], edges: np.ndarray) -> str:
    low, high = (edges[limits.modality, place] for place in (limits.first, limits.end))
    text = f"{modalities[limits.modality]} from {low:.2f}"
    return text if limits.end == edges.shape[1] - 1 else f"{text} to {high:.2f}"
