"""Evaluated volumes: the score of each subject, and what is kept of its prediction.

Letters: D, H, W cells along the axes of an original volume.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from vision.callbacks.results.evaluated import Evaluated
from vision.callbacks.results.examples import Scored
from vision.callbacks.results.shelf import Shelf
from vision.contracts.volumes import IGNORED, Regions
from vision.metrics.volumes.dice import dice
from vision.ops.volume_regions import region_masks


class PackedMask(NamedTuple):
    """A mask without the background around it.

    Attributes:
        shape: D, H, W.
        corner: First cell of what is kept.
        cells: uint8 class index of each of these cells.
    """

    shape: tuple[int, ...]
    corner: tuple[int, ...]
    cells: np.ndarray

    @classmethod
    def of(cls, mask: Tensor) -> "PackedMask":
        """Pack integers `(D, H, W)`."""
        whole = mask.cpu().numpy().astype(np.uint8, copy=False)
        places = [np.flatnonzero(whole.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
        spans = [slice(one[0], one[-1] + 1) if len(one) else slice(0, 0) for one in places]
        corner = tuple(int(span.start) for span in spans)
        return cls(whole.shape, corner, whole[tuple(spans)].copy())

    def whole(self) -> np.ndarray:
        """The mask, uint8 `(D, H, W)`."""
        mask = np.zeros(self.shape, np.uint8)
        spans = zip(self.corner, self.cells.shape, strict=True)
        mask[tuple(slice(first, first + length) for first, length in spans)] = self.cells
        return mask


def measured_regions(task: Any) -> Regions:
    """What a task measures: its regions, or each of its classes but the background."""
    if task.regions is not None:
        regions: Regions = task.regions
        return regions
    return {name: (label,) for label, name in enumerate(task.evaluator.names, start=1)}


def shelve(shelf: Shelf, task: Any, evaluated: Evaluated) -> None:
    """Put the subjects of a batch on a shelf.

    They are scored by the mean Dice of the regions that they have, as the task counts them.

    Args:
        shelf: The shelf.
        task: A task with `regions`, an `evaluator` and its rule for `empty` regions.
        evaluated: The batch, with masks.
    """
    regions = measured_regions(task)
    subjects, places = evaluated.batch["subject"], evaluated.places.tolist()
    for i, (one, place) in enumerate(zip(evaluated.predictions, places, strict=True)):
        d, h, w = one["mask"].shape
        target = evaluated.batch["mask"][i, :d, :h, :w]
        found = one["regions"] if "regions" in one else region_masks(one["mask"], regions)
        truth, valid = region_masks(target, regions), target != IGNORED
        scores = torch.tensor(
            [
                dice((part & valid).cpu().numpy(), true.cpu().numpy(), task.evaluator.empty)
                for part, true in zip(found, truth, strict=True)
            ]
        )
        present = int(truth.flatten(1).any(dim=1).sum())
        scored = Scored(place, float(scores.nanmean()), present, subjects[i])
        shelf.add(scored, partial(PackedMask.of, one["mask"]))


def masks_to_draw(mask: np.ndarray, regions: Regions | None) -> np.ndarray:
    """What of a mask is outlined.

    Args:
        mask: Integers `(D, H, W)`.
        regions: The regions, or None.

    Returns:
        bool `(K, D, H, W)` of the regions; without regions the mask.
    """
    return mask if regions is None else region_masks(torch.from_numpy(mask), regions).numpy()


def load_example(dataset: Any, place: int) -> Mapping[str, np.ndarray]:
    """The stored volume of a subject: `volume` `(C, D, H, W)`, `mask` and `affine`."""
    return {key: value.numpy() for key, value in dataset.example(place).items()}
