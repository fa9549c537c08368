"""Exact counts of the pairs of labels in two label maps.

Counts are int64 and stay on the device of the maps, so that sums over an epoch and over processes
are exact.
"""

import torch
from torch import Tensor, distributed

from vision.contracts.segmentation import IGNORED
from vision.errors import DataError

# Number of values of a uint8 label.
LABELS = 256
# Pixels that are counted at a time; their indices take 16 MiB.
_STRIP = 1 << 22


def as_labels(predicted: Tensor, target: Tensor, where: str = "") -> tuple[Tensor, Tensor]:
    """Convert a prediction and its target to uint8 label maps.

    Values outside 0..255 do not fit uint8, so they are refused. Predictions for ignored pixels may
    have any value.

    Args:
        predicted: Integers `(H, W)`, one class index per pixel.
        target: Integers `(H, W)`, `IGNORED` in pixels that do not count.
        where: Name of the image or its files, for messages.

    Returns:
        Both as uint8, on the device of `predicted`.

    Raises:
        DataError: They have other shapes or types, or a value that does not fit uint8.
    """
    if predicted.ndim != 2 or predicted.shape != target.shape:
        raise DataError(
            f"{_of(where)}the prediction has the shape {tuple(predicted.shape)} and the target"
            f" {tuple(target.shape)}; both must have the height and width of the image."
        )
    for name, labels in (("prediction", predicted), ("target", target)):
        if labels.is_floating_point() or labels.is_complex():
            raise DataError(
                f"{_of(where)}the {name} has the type {labels.dtype}; class indices are integers,"
                " such as the argmax of the scores."
            )
    target = target.to(predicted.device)
    _check_fits(target, "target", where)
    if not _fits(predicted):
        predicted = torch.where(target == IGNORED, 0, predicted)
        _check_fits(predicted, "prediction", where)
    return predicted.to(torch.uint8), target.to(torch.uint8)


def count_pairs(rows: Tensor, columns: Tensor) -> Tensor:
    """Count each pair of labels of two maps.

    Args:
        rows: uint8, of any shape.
        columns: uint8 of the same shape and device.

    Returns:
        int64 `(256, 256)` on their device: in row i and column j the number of places where `rows`
        is i and `columns` is j.
    """
    counts = torch.zeros(LABELS * LABELS, dtype=torch.int64, device=rows.device)
    strips = (labels.reshape(-1).split(_STRIP) for labels in (rows, columns))
    for row, column in zip(*strips, strict=True):
        index = row.to(torch.int32).mul_(LABELS).add_(column)
        counts += torch.bincount(index, minlength=LABELS * LABELS)
    return counts.view(LABELS, LABELS)


def check_classes(pairs: Tensor, num_classes: int, where: str = "") -> None:
    """Refuse counts of labels that are no classes.

    Args:
        pairs: As `count_pairs` returns them, of targets (rows) and predictions (columns).
        num_classes: K, the number of classes.
        where: As in `as_labels`.

    Raises:
        DataError: A target is neither in 0..K-1 nor ignored, or the prediction for a pixel that is
            not ignored is not in 0..K-1. It names the value.
    """
    targets = pairs[num_classes:IGNORED].sum(1)
    predictions = pairs[:num_classes, num_classes:].sum(0)
    pixels = torch.cat([targets, predictions]).tolist()
    wrong = next((i for i, count in enumerate(pixels) if count), None)
    if wrong is None:
        return
    if wrong < len(targets):
        expected = f"0 to {num_classes - 1}, or {IGNORED} for pixels that do not count"
        raise _refusal("target", num_classes + wrong, pixels[wrong], expected, where)
    expected = f"0 to {num_classes - 1} in every pixel whose target is not {IGNORED}"
    value = num_classes + wrong - len(targets)
    raise _refusal("prediction", value, pixels[wrong], expected, where)


def sum_over_processes(counts: Tensor) -> Tensor:
    """Add up the counts of all processes; every process must call it.

    Args:
        counts: int64 or float64, of one shape on every process.

    Returns:
        The same type on the host, the same on every process.
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return counts.cpu()
    # A process without images has no device of its own; the backend decides.
    host = "gloo" in distributed.get_backend() or not torch.cuda.is_available()
    device = torch.device("cpu") if host else torch.device("cuda", torch.cuda.current_device())
    total = counts.to(device, copy=True)
    distributed.all_reduce(total, distributed.ReduceOp.SUM)
    return total.cpu()


def _fits(labels: Tensor) -> bool:
    if labels.dtype in (torch.uint8, torch.bool) or not labels.numel():
        return True
    minimum, maximum = torch.stack(labels.aminmax()).tolist()
    return bool(minimum >= 0 and maximum < LABELS)


def _check_fits(labels: Tensor, name: str, where: str) -> None:
    if _fits(labels):
        return
    minimum, maximum = torch.stack(labels.aminmax()).tolist()
    value = minimum if minimum < 0 else maximum
    pixels = int((labels == value).sum())
    raise _refusal(name, value, pixels, f"class indices and {IGNORED} for ignored pixels", where)


def _refusal(name: str, value: int, pixels: int, expected: str, where: str) -> DataError:
    what = f"the value {value}" if value != IGNORED else f"no class ({IGNORED})"
    return DataError(
        f"{_of(where)}the {name} has {what} in {pixels:,} pixel{'s' if pixels > 1 else ''}"
        f" that count; expected {expected}. Compare the number of classes, and how the values of"
        " the files map to them."
    )


def _of(where: str) -> str:
    return f"{where}: " if where else ""
