"""Checks of what the segmentation of point clouds is given: the encoder, the first batch.

Letters: B clouds, P points of files, V voxels.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from vision.contracts.points import IGNORED
from vision.errors import ConfigError, DataError, listed
from vision.ops.voxels import group_cells
from vision.tasks.first_batch import require_keys, shown_tensor

VOXELS = "places in voxels from the lowest corner of each cloud"


def check_encoder(backbone: nn.Module) -> None:
    """Check that a backbone which was given as an object encodes the points of rooms.

    Raises:
        ConfigError: It does not.
    """
    if not hasattr(backbone, "normals"):
        raise ConfigError(
            f"the backbone is a {type(backbone).__name__}, which takes no points with colours; a "
            "task on rooms needs an encoder of them, such as "
            "vision.create_backbone('swin3d_small')."
        )


def check_clouds(batch: Any, *, normals: bool) -> None:
    """Check the points of a batch, and how many each cloud has.

    Args:
        batch: The batch.
        normals: Whether the model uses normals.

    Raises:
        DataError: They are of another type, shape or range, or two are in one voxel.
    """
    require_keys(batch, ["coords", "colors", "counts"])
    if normals and "normals" not in batch:
        raise DataError(
            "the model uses normals, and a cloud of the batch has none: give files with nx, ny and "
            "nz, or a model of colours alone, backbone_options.encoding='XYZ_RGB' with "
            "in_channels=6."
        )
    coords, counts = batch["coords"], batch["counts"]
    expected = f"expected float32 (V, 3), {VOXELS}"
    if not _is_float_rows(coords):
        raise DataError(f"batch['coords'] is {shown_tensor(coords)}; {expected}.")
    if not bool(coords.isfinite().all()):
        raise DataError(f"batch['coords'] is {shown_tensor(coords)}; {expected}, finite.")
    if bool((coords < 0).any()):
        raise DataError(
            f"batch['coords'] is {shown_tensor(coords)}; {expected}: subtract the lowest corner of"
            " each cloud."
        )
    _check_counts(counts, "counts", total=len(coords), what="voxels")
    _check_colors(batch["colors"], count=len(coords))
    if normals:
        _check_normals(batch["normals"], count=len(coords))
    sample = torch.arange(len(counts), device=coords.device).repeat_interleave(counts)
    cells = group_cells(torch.cat([sample[:, None], coords.floor().long()], dim=1))
    if len(cells.coords) < len(coords):
        raise DataError(
            f"batch['coords'] has {len(coords):,} points in {len(cells.coords):,} voxels; expected "
            "one point in each voxel: the floor of a place is its voxel. Divide places in metres "
            "by the size of a voxel, and take one point of each."
        )


def _is_float_rows(values: object) -> bool:
    rows = isinstance(values, Tensor) and values.ndim == 2 and values.shape[1] == 3
    return isinstance(values, Tensor) and rows and values.is_floating_point()


def _check_counts(counts: object, key: str, *, total: int, what: str) -> None:
    fits = isinstance(counts, Tensor) and counts.ndim == 1 and counts.dtype == torch.int64
    if not isinstance(counts, Tensor) or not fits or bool((counts < 1).any()):
        raise DataError(
            f"batch['{key}'] is {shown_tensor(counts)}; expected int64 (B,), the number of {what} "
            "of each cloud, 1 or more."
        )
    if int(counts.sum()) != total:
        raise DataError(
            f"batch['{key}'] sums to {int(counts.sum()):,}, but the batch has {total:,} {what}: "
            "the clouds of a batch stand one after another, without padding."
        )


def _check_colors(colors: object, *, count: int) -> None:
    expected = f"expected uint8 ({count}, 3) RGB"
    if not isinstance(colors, Tensor) or colors.shape != (count, 3):
        raise DataError(f"batch['colors'] is {shown_tensor(colors)}; {expected}.")
    if colors.dtype != torch.uint8:
        remedy = ""
        if colors.is_floating_point() and float(colors.min()) >= 0 and float(colors.max()) <= 1:
            remedy = " Take (255 * colors).round().to(torch.uint8)."
        raise DataError(f"batch['colors'] is {shown_tensor(colors)}; {expected}.{remedy}")


def _check_normals(normals: object, *, count: int) -> None:
    fits = _is_float_rows(normals) and isinstance(normals, Tensor) and len(normals) == count
    if not isinstance(normals, Tensor) or not fits or not bool(normals.isfinite().all()):
        raise DataError(
            f"batch['normals'] is {shown_tensor(normals)}; expected float32 ({count}, 3), unit "
            "vectors."
        )


def check_evaluated_clouds(batch: Any) -> None:
    """Check what leads back to the points of the files.

    Raises:
        DataError: It is absent, or of another type, shape or range.
    """
    require_keys(batch, ["coords", "counts", "voxel_of", "point_counts", "path", "room"])
    voxel_of, voxels = batch["voxel_of"], len(batch["coords"])
    fits = isinstance(voxel_of, Tensor) and voxel_of.ndim == 1 and voxel_of.dtype == torch.int64
    if not isinstance(voxel_of, Tensor) or not fits:
        raise DataError(
            f"batch['voxel_of'] is {shown_tensor(voxel_of)}; expected int64 (P,), the row of "
            "batch['coords'] of each point of the files."
        )
    _check_counts(batch["point_counts"], "point_counts", total=len(voxel_of), what="points")
    counts = batch["counts"]
    last = counts.cumsum(0).repeat_interleave(batch["point_counts"])
    first = (counts.cumsum(0) - counts).repeat_interleave(batch["point_counts"])
    if bool(((voxel_of < first) | (voxel_of >= last)).any()):
        raise DataError(
            f"batch['voxel_of'] is {shown_tensor(voxel_of)}; expected rows of batch['coords'], 0 "
            f"to {voxels - 1}, each of the cloud of its point: add the voxels of the clouds before."
        )
    for key in ("path", "room"):
        value = batch[key]
        if not isinstance(value, Sequence) or len(value) != len(counts):
            raise DataError(
                f"batch['{key}'] is {shown_tensor(value)}; expected a list of {len(counts)} texts."
            )


def check_point_labels(labels: object, *, num_classes: int, count: int, what: str) -> None:
    """Check the classes of the points of a batch.

    Args:
        labels: int64 `(N,)`, class index or `IGNORED`.
        num_classes: Number of classes.
        count: N.
        what: What has a class, such as `"voxels"`.

    Raises:
        DataError: They are of another type, shape or range.
    """
    expected = (
        f"expected int64 ({count},), a class index from 0 to {num_classes - 1} for each of the "
        f"{what}, or {IGNORED} for those that are ignored"
    )
    name = "batch['label']"
    if not isinstance(labels, Tensor) or labels.dtype != torch.int64 or labels.shape != (count,):
        remedy = ""
        if isinstance(labels, Tensor) and labels.shape == (count,):
            remedy = " Take labels.long()."
        raise DataError(f"{name} is {shown_tensor(labels)}; {expected}.{remedy}")
    wrong = labels[((labels < 0) | (labels >= num_classes)) & (labels != IGNORED)].unique().tolist()
    if wrong:
        raise DataError(
            f"{name} has the class {listed(wrong)}; {expected}. Give the task num_classes, or the "
            "data the values in its files."
        )
