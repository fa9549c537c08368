"""Checks of the first batch of tasks with a depth or a normal for each pixel."""

import torch
from torch import Tensor

from vision.errors import DataError
from vision.tasks.first_batch import shown_tensor

# The length of a normal may differ from 1 by this.
TOLERANCE = 1e-2
# A share of so many of the normals may be wrong.
MAX_WRONG = 1e-2


def check_maps(
    maps: object, *, key: str, count: int, channels: int, size: tuple[int, int] | None
) -> None:
    """Check type and shape of a map of values for each image of a batch.

    Args:
        maps: float `(B, h, w)` for one value per pixel, or `(B, C, h, w)`.
        key: Their key in the batch.
        count: Number of images, B.
        channels: Number of values per pixel, C.
        size: Height and width that they need; None for any.

    Raises:
        DataError: They are of another kind, or NaN or infinite.
    """
    sides = ("h", "w") if size is None else tuple(map(str, size))
    shape = (count, channels) if channels > 1 else (count,)
    expected = f"expected float ({', '.join([*map(str, shape), *sides])})"
    name = f"batch['{key}']"
    if not isinstance(maps, Tensor):
        raise DataError(f"{name} is a {type(maps).__name__}; {expected}.")
    fits = maps.ndim == len(shape) + 2 and tuple(maps.shape[: len(shape)]) == shape
    if not fits or (size is not None and tuple(maps.shape[-2:]) != size):
        remedy = ""
        if channels == 1 and maps.ndim == 4 and maps.shape[1] == 1:
            remedy = f" Take {key}.squeeze(1)."
        elif channels > 1 and maps.ndim == 4 and maps.shape[3] == channels:
            remedy = " The components come last: permute(0, 3, 1, 2)."
        raise DataError(f"{name} is {shown_tensor(maps)}; {expected}.{remedy}")
    if not maps.is_floating_point():
        raise DataError(f"{name} is {shown_tensor(maps)}; {expected}. Take {key}.float().")
    if not bool(maps.isfinite().all()):
        raise DataError(
            f"{name} is {shown_tensor(maps)}; {expected}, and 0 where there is no value."
        )


def check_depth_values(depth: Tensor, min_depth: float, max_depth: float) -> None:
    """Check that depths can be learnt: none is negative, and some lie between the limits.

    One image without any is possible, several are not likely.

    Args:
        depth: float `(B, h, w)` in metres, 0 where there is no reading.
        min_depth: Depths above it count, in metres.
        max_depth: Depths below it count, in metres.

    Raises:
        DataError: One is negative, or of several images none has a depth between the limits.
    """
    shown = f"batch['depth'] is {shown_tensor(depth)}"
    if bool((depth < 0).any()):
        raise DataError(
            f"{shown}; expected metres, and 0 for no reading. Write 0 where it is negative; "
            "disparity or inverse depth has to be converted."
        )
    read = depth[depth > 0]
    if len(depth) < 2 or bool(((depth > min_depth) & (depth < max_depth)).any()):
        return
    if not len(read):
        raise DataError(f"{shown}: no pixel of {len(depth)} images has a reading; expected metres.")
    raise DataError(
        f"{shown}: no reading lies between min_depth={min_depth:g} and max_depth={max_depth:g} m; "
        f"their median is {float(read.median()):g}. Check the unit (files in millimetres have a "
        "scale of 1000), or set min_depth and max_depth on the model."
    )


def check_normals_values(normals: Tensor) -> None:
    """Check that normals are unit vectors that point towards the camera.

    Args:
        normals: float `(B, 3, h, w)`, zero where there is none.

    Raises:
        DataError: They are of another length, or most of them point away from the camera.
    """
    lengths = normals.float().norm(dim=1)
    known = lengths > 0
    if not bool(known.any()):
        return
    shown = f"batch['normals'] is {shown_tensor(normals)}"
    wrong = (lengths[known] - 1).abs() > TOLERANCE
    if float(wrong.float().mean()) > MAX_WRONG:
        halves = (2 * normals.float() - 1).norm(dim=1)[known]
        encoded = bool(((halves - 1).abs() <= TOLERANCE).float().mean() > 1 - MAX_WRONG)
        remedy = (
            "They seem to be colours: take 2 * normals - 1."
            if encoded
            else "Divide them by their lengths."
        )
        raise DataError(
            f"{shown}, with a median length of {float(lengths[known].median()):.3g}; expected "
            f"unit vectors, and zero where there is no normal. {remedy}"
        )
    away = torch.stack([normals[:, 2] > 0, known]).all(dim=0).sum() / known.sum()
    if float(away) > 0.5:
        raise DataError(
            f"{shown}: {float(away):.0%} of the normals have z above 0 and point away from the "
            "camera; expected x to the right, y down, z into the scene, and z below 0. Negate "
            "the axes that point the other way."
        )
