"""Transforms of volumes: a fixed orientation and spacing, normalised values, patches to train on.

The arithmetic is that of MONAI's transforms of the same names, without importing MONAI, which would
cost each worker seconds at its start.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vision.contracts.volumes import IGNORED
from vision.data.transforms.rng import SampleRng
from vision.data.transforms.volume_affine import sample_affine, turned_patch
from vision.data.transforms.volume_patches import (
    about_a_class,
    anywhere,
    crop_padded,
    foreground_box,
    in_enlarged_box,
)
from vision.data.transforms.volumes_options import (
    SPACING,
    WINDOW,
    Intensity,
    VolumeAugment,
    check_intensity,
)
from vision.errors import DataError
from vision.ops.volume_axes import (
    axis_changes,
    check_orientation,
    orientation_of,
    reorient,
    reoriented_affine,
    spacing_of,
)
from vision.options import check_ranges

# Cells of a volume after resampling; more are a wrong spacing.
MAX_CELLS = 10**9
# Spacings that differ by less than this share are the same.
SAME_SPACING = 1e-3


@dataclass(frozen=True, eq=False)
class Volume:
    """The cells of one volume.

    Attributes:
        values: float32 `(C, D, H, W)`.
        affine: float64 `(4, 4)`, from the index of a cell to millimetres.
        mask: uint8 class index or `IGNORED`; None if it is not known. Of these cells, but in
            evaluation of those of the original volume.
    """

    values: np.ndarray
    affine: np.ndarray
    mask: np.ndarray | None = None


class VolumeTransform(ABC):
    """Brings volumes to one orientation, spacing and range of values.

    Args:
        orientation: Directions in which the index grows along each axis, such as "RAS".
        spacing: Distance between cells along these axes in mm; None keeps that of the file.
        intensity: How the values of each modality are normalised. "zscore_nonzero": mean 0 and
            standard deviation 1 over the cells other than 0, which stay 0. "zscore": over all
            cells. `{"window": [low, high]}`: clipped to the window, which becomes 0 to 1. None:
            not at all.
        foreground_crop: Whether the volume is cut to the box of the cells above 0 in any modality.

    Attributes:
        options: The arguments, by name, as plain values.

    Raises:
        ConfigError: A value is unknown or out of its range.
    """

    def __init__(
        self,
        *,
        orientation: str = "RAS",
        spacing: Sequence[float] | None = None,
        intensity: Intensity = "zscore_nonzero",
        foreground_crop: bool = False,
    ) -> None:
        check_orientation("orientation", orientation)
        if spacing is not None:
            check_ranges({"spacing": spacing}, {"spacing": SPACING})
        self.orientation = orientation
        self.spacing = None if spacing is None else [float(step) for step in spacing]
        self.intensity = check_intensity(intensity)
        self.foreground_crop = foreground_crop
        self.options: dict[str, Any] = {
            "orientation": orientation,
            "spacing": self.spacing,
            "intensity": self.intensity,
            "foreground_crop": foreground_crop,
        }

    @property
    def prepared_by(self) -> dict[str, Any]:
        """All that `prepare` depends on, as plain values."""
        return {"transform": type(self).__name__, **self.options}

    @abstractmethod
    def prepare(self, volume: Volume) -> Volume:
        """All that is the same in each epoch.

        Args:
            volume: As it is stored.

        Raises:
            DataError: It would have more than `MAX_CELLS` cells.
        """

    @abstractmethod
    def finish(self, volume: Volume) -> Volume:
        """The rest, with random numbers of PyTorch; a prepared volume is left as it is."""

    def change(self, volume: Volume) -> Volume:
        """Prepare a volume as it is stored, and finish it."""
        return self.finish(self.prepare(volume))

    def size_of(self, shape: Sequence[int], affine: np.ndarray) -> tuple[int, ...]:
        """Cells along the axes of a prepared volume, before a crop.

        Args:
            shape: Cells of the stored volume.
            affine: `(4, 4)`, of these.
        """
        order, _ = axis_changes(orientation_of(affine), self.orientation)
        turned, steps = ([each[axis] for axis in order] for each in (shape, spacing_of(affine)))
        if self.spacing is None:
            return tuple(map(int, turned))
        return resampled_size([*map(int, turned)], steps, self.spacing)

    def place(self, volume: Volume) -> Volume:
        """Bring a volume and its mask to the orientation and the spacing, and crop it."""
        source = orientation_of(volume.affine)
        shape = volume.values.shape[1:]
        affine = reoriented_affine(volume.affine, shape, self.orientation)
        values = reorient(volume.values, source, self.orientation)
        mask = volume.mask
        if mask is not None:
            mask = reorient(mask, source, self.orientation)
        placed = Volume(values, affine, mask)
        if self.spacing is not None:
            placed = resample(placed, self.spacing)
        return placed

    def crop(self, volume: Volume) -> Volume:
        """Cut a volume and its mask to the box of its foreground."""
        start, end = foreground_box(volume.values)
        box = tuple(slice(low, high) for low, high in zip(start, end, strict=True))
        mask = None if volume.mask is None else volume.mask[box]
        return Volume(volume.values[(slice(None), *box)], shifted(volume.affine, start), mask)


class VolumeEvalTransform(VolumeTransform):
    """The whole volume; its mask stays that of the original cells."""

    def prepare(self, volume: Volume) -> Volume:
        """Orientation, spacing, crop and normalised values."""
        placed = self.place(replace(volume, mask=None))
        if self.foreground_crop:
            placed = self.crop(placed)
        values = normalise(placed.values, self.intensity)
        return Volume(values, placed.affine, volume.mask)

    def finish(self, volume: Volume) -> Volume:
        """The volume as it is."""
        return volume


class VolumeTrainTransform(VolumeTransform):
    """A patch, augmented.

    In this order: orientation, spacing, crop, normalised values, the place of the patch with its
    rotation and zoom, reversed axes, scale, shift. As published, the values are normalised after
    the axes are reversed.

    Args:
        augment: The options of the patches.
        **preparation: Arguments of `VolumeTransform`.

    Raises:
        ConfigError: A value is unknown or out of its range.
    """

    def __init__(self, augment: VolumeAugment, **preparation: Any) -> None:
        super().__init__(**preparation)
        self.augment = augment

    @property
    def prepared_by(self) -> dict[str, Any]:
        """All that `prepare` depends on, as plain values."""
        return {**super().prepared_by, "published": self.augment.published}

    def prepare(self, volume: Volume) -> Volume:
        """Orientation, spacing and crop; normalised values, unless a patch has its own."""
        placed = self.place(volume)
        if self.foreground_crop or self.augment.published:
            placed = self.crop(placed)
        intensity = None if self.augment.published else self.intensity
        return replace(placed, values=normalise(placed.values, intensity))

    def finish(self, volume: Volume) -> Volume:
        """A random patch."""
        rng = SampleRng()
        patch = self._patch(volume, rng)
        patch = _flipped(patch, [rng.chance(chance) for chance in self.augment.flip])
        values = np.ascontiguousarray(patch.values)
        if self.augment.published:
            values = normalise(values, self.intensity)
        values *= 1 + rng.uniform(-self.augment.scale, self.augment.scale)
        values += rng.uniform(-self.augment.shift, self.augment.shift)
        return replace(patch, values=values)

    def _patch(self, volume: Volume, rng: SampleRng) -> Volume:
        size, shape = self.augment.patch_size, volume.values.shape[1:]
        start: list[int] | None = None
        if self.augment.published:
            start = in_enlarged_box(shape, size, rng)
        elif volume.mask is not None and rng.chance(self.augment.foreground):
            start = about_a_class(volume.mask, size, rng)
        if start is None:
            start = anywhere(shape, size, rng)
        beyond = 0 if self.augment.published else IGNORED
        if rng.chance(self.augment.affine):
            turn = sample_affine(self.augment, spacing_of(volume.affine), rng)
            values, mask, affine = turned_patch(
                volume.values, volume.mask, start, size, turn, beyond=beyond
            )
            return Volume(values, volume.affine @ affine, mask)
        values = crop_padded(volume.values, start, size, 0)
        mask = None if volume.mask is None else crop_padded(volume.mask, start, size, beyond)
        return Volume(values, shifted(volume.affine, start), mask)


def _flipped(volume: Volume, flips: Sequence[bool]) -> Volume:
    axes = tuple(axis - 3 for axis, flip in enumerate(flips) if flip)
    change = np.eye(4)
    for axis in axes:
        change[axis - 1, axis - 1] = -1
        change[axis - 1, 3] = volume.values.shape[axis] - 1
    mask = None if volume.mask is None else np.ascontiguousarray(np.flip(volume.mask, axes))
    return Volume(np.flip(volume.values, axes), volume.affine @ change, mask)


def shifted(affine: np.ndarray, start: Sequence[int]) -> np.ndarray:
    """The affine of a window that begins at a cell."""
    moved = affine.copy()
    moved[:3, 3] += affine[:3, :3] @ np.asarray(start, np.float64)
    return moved


def normalise(values: np.ndarray, intensity: Intensity) -> np.ndarray:
    """Normalise the values of each modality.

    Args:
        values: float32 `(C, D, H, W)`.
        intensity: As in `VolumeTransform`.

    Returns:
        float32 `(C, D, H, W)`, contiguous, a copy unless nothing changes.
    """
    if intensity is None:
        return np.ascontiguousarray(values)
    found = np.array(values, dtype=np.float32, order="C")
    if not isinstance(intensity, str):
        low, high = intensity[WINDOW]
        np.clip(found, low, high, out=found)
        found -= low
        found /= high - low
        return found
    for channel in found:
        chosen = channel != 0 if intensity == "zscore_nonzero" else np.ones((), dtype=bool)
        counted = channel[chosen] if chosen.ndim else channel.ravel()
        if not counted.size:
            continue
        mean, std = counted.mean(dtype=np.float64), counted.std(dtype=np.float64)
        np.subtract(channel, mean, out=channel, where=chosen, casting="same_kind")
        np.divide(channel, std or 1.0, out=channel, where=chosen, casting="same_kind")
    return found


def resampled_size(
    shape: Sequence[int], spacing: Sequence[float], wanted: Sequence[float]
) -> tuple[int, ...]:
    """Cells along each axis of a volume at another spacing, whose first cells lie together."""
    return tuple(
        round((side - 1) * old / new + 1)
        for side, old, new in zip(shape, spacing, wanted, strict=True)
    )


def resample(volume: Volume, spacing: Sequence[float]) -> Volume:
    """Bring a volume to another spacing along its own axes, as MONAI's `Spacing`.

    The centres of the first cells lie together. Values are interpolated linearly, and continue
    beyond the last cell; the mask is taken from the nearest cell.

    Args:
        volume: The volume.
        spacing: Distance between cells in mm.

    Raises:
        DataError: It would have more than `MAX_CELLS` cells.
    """
    old = spacing_of(volume.affine)
    ratios = [new / step for new, step in zip(spacing, old, strict=True)]
    if all(abs(ratio - 1) < SAME_SPACING for ratio in ratios):
        return volume
    shape = volume.values.shape[1:]
    size = resampled_size(shape, old, spacing)
    if np.prod([*map(float, size)]) > MAX_CELLS:
        raise DataError(
            f"at a spacing of {_text(spacing)} mm a volume of {_text(shape)} cells of "
            f"{_text(old)} mm would have {np.prod([*map(float, size)]):.3g} cells, more than "
            f"{MAX_CELLS:,}. Check the spacing in its header, and data.spacing."
        )
    values, mask = volume.values, volume.mask
    for axis, (ratio, cells, side) in enumerate(zip(ratios, size, shape, strict=True)):
        places = np.clip(np.arange(cells) * ratio, 0, side - 1)
        low = np.minimum(places.astype(np.int64), max(0, side - 2))
        share = (places - low).astype(np.float32).reshape(-1, *[1] * (2 - axis))
        high = np.minimum(low + 1, side - 1)
        first = np.take(values, low, axis=1 + axis)
        first += (np.take(values, high, axis=1 + axis) - first) * share
        values = first
        if mask is not None:
            mask = np.take(mask, np.floor(places + 0.5).astype(np.int64), axis=axis)
    affine = volume.affine.copy()
    affine[:3, :3] *= ratios
    return Volume(values, affine, mask)


def _text(numbers: Sequence[float]) -> str:
    return " x ".join(f"{number:g}" for number in numbers)


def to_tensor(array: np.ndarray) -> Tensor:
    """A tensor of an array that nothing else writes to."""
    if not array.flags.writeable or not array.flags.c_contiguous:
        array = np.array(array, order="C")
    return torch.from_numpy(array)
