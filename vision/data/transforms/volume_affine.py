"""Rotation and zoom of a patch about its middle, in millimetres."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional as F

from vision.data.transforms.rng import SampleRng
from vision.data.transforms.volume_patches import crop_padded
from vision.data.transforms.volumes_options import VolumeAugment


def sample_affine(augment: VolumeAugment, spacing: Sequence[float], rng: SampleRng) -> np.ndarray:
    """Sample a rotation about each axis, and a zoom.

    Args:
        augment: The options.
        spacing: Distance between cells along each axis in mm.
        rng: Random numbers of the sample.

    Returns:
        float64 `(3, 3)`: from steps in cells of the patch to steps in cells of the volume.
    """
    turn = np.eye(3)
    for axis in range(3):
        angle = math.radians(rng.uniform(-augment.rotation, augment.rotation))
        one, other = (other for other in range(3) if other != axis)
        about = np.eye(3)
        about[one, one] = about[other, other] = math.cos(angle)
        about[one, other], about[other, one] = -math.sin(angle), math.sin(angle)
        turn = turn @ about
    steps = np.asarray(spacing, np.float64)
    return turn * steps / steps[:, None] / rng.uniform(*augment.zoom)


def turned_patch(
    values: np.ndarray,
    mask: np.ndarray | None,
    start: Sequence[int],
    size: Sequence[int],
    turn: np.ndarray,
    *,
    beyond: int,
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
    """A patch that is turned about its middle.

    Args:
        values: float32 `(C, D, H, W)`, interpolated linearly; 0 beyond the volume.
        mask: uint8 `(D, H, W)`, taken from the nearest cells.
        start: First cell of the patch if it were not turned.
        size: Its cells along each axis.
        turn: `(3, 3)`, as from `sample_affine`.
        beyond: Value of the mask beyond the volume.

    Returns:
        Values `(C, *size)`, mask `(*size)`, and float64 `(4, 4)`, from the index of a cell of the
        patch to that of the volume.
    """
    middle = (np.asarray(size, np.float64) - 1) / 2
    change = np.eye(4)
    change[:3, :3] = turn
    change[:3, 3] = np.asarray(start) + middle - turn @ middle
    # The box of all cells that are read, and one more on each side.
    reach = np.abs(turn) @ middle
    first = np.floor(np.asarray(start) + middle - reach).astype(int) - 1
    sides = np.ceil(2 * reach).astype(int) + 4
    scale = 2 / (sides - 1)
    offset = torch.from_numpy((change[:3, 3] - first) * scale - 1)
    places = [
        torch.from_numpy(np.arange(cells)[:, None] * turn[:, axis] * scale)
        for axis, cells in enumerate(size)
    ]
    grid = places[0][:, None, None] + places[1][:, None] + places[2] + offset
    grid = grid.flip(-1)[None].float()  # the last axis comes first
    box = torch.from_numpy(crop_padded(values, first, sides, 0))
    moved = F.grid_sample(box[None], grid, mode="bilinear", align_corners=True)[0].numpy()
    if mask is None:
        return moved, None, change
    labels = torch.from_numpy(crop_padded(mask, first, sides, beyond)).float()
    nearest = F.grid_sample(labels[None, None], grid, mode="nearest", align_corners=True)[0, 0]
    return moved, nearest.numpy().astype(np.uint8), change
