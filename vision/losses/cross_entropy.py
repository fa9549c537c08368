"""Cross entropy of enlarged logits that are never stored at full size.

The logits of 150 classes for two images of 512 x 512 pixels take 300 MiB in float32, and a loss
computed the plain way holds three such tensors. Here strips of rows are enlarged one after the
other, and the gradient of each is brought back to the size of the head's map at once. A strip has
R rows and C columns; the head's map has h rows and w columns.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from vision.contracts.segmentation import IGNORED
from vision.ops.boxes import at_least_float32
from vision.ops.interpolation import interpolation_matrix, resize_bilinear, source_places

# Size of one tensor of enlarged logits, two of which exist at a time: what a core's cache holds, or
# enough to keep a GPU busy.
STRIP_BYTES = {"cpu": 2**23}
OTHER_STRIP_BYTES = 2**26
# Shares of rows and columns are computed so, and rounded at the end; slices need them on the CPU.
_EXACT: dict[str, Any] = {"device": torch.device("cpu"), "dtype": torch.float64}


class _Strip(NamedTuple):
    """A part of the enlarged map, and what makes it.

    Attributes:
        images: Which images of the batch.
        rows: Which rows of the enlarged map.
        source: Which rows of the head's map they come from.
        mix: `(R, rows of source)` share of each of these in each row of the strip; None if they
            are the same rows.
    """

    images: slice
    rows: slice
    source: slice
    mix: Tensor | None


def resized_cross_entropy(
    logits: Tensor, labels: Tensor, weights: Tensor, *, align_corners: bool = False
) -> Tensor:
    """Weighted sum over all pixels of the cross entropy of logits enlarged by bilinear resizing.

    Equal to `F.cross_entropy` of `F.interpolate` but for rounding; only first derivatives exist.
    While a graph is compiled or exported it is computed by these two functions.

    Args:
        logits: float `(B, K, h, w)`.
        labels: int64 `(B, H, W)` class of each pixel, `IGNORED` where there is none.
        weights: float `(B, H, W)` factor of each pixel; ignored pixels never count. It gets no
            gradient.
        align_corners: As in `torch.nn.functional.interpolate`.

    Returns:
        `()` in float32 at least.
    """
    logits = at_least_float32(logits)
    valid = labels != IGNORED
    labels = labels.where(valid, 0)
    weights = weights.to(logits.dtype).where(valid, 0)
    if torch.compiler.is_compiling():
        size = (labels.shape[1], labels.shape[2])
        whole = resize_bilinear(logits, size, align_corners=align_corners)
        return (F.cross_entropy(whole, labels, reduction="none") * weights).sum()
    total: Tensor = _WeightedSum.apply(logits, labels, weights, align_corners)
    return total


@torch.no_grad()
def pixel_losses(logits: Tensor, labels: Tensor, *, align_corners: bool = False) -> Tensor:
    """Cross entropy of each pixel, without a gradient.

    Args:
        logits: float `(B, K, h, w)`.
        labels: int64 `(B, H, W)` class of each pixel, `IGNORED` where there is none.
        align_corners: As in `torch.nn.functional.interpolate`.

    Returns:
        `(B, H, W)` in float32 at least; 0 where the label is ignored.
    """
    logits = at_least_float32(logits)
    valid = labels != IGNORED
    own = labels.where(valid, 0)[:, None]  # (B, 1, H, W)
    losses = logits.new_zeros(labels.shape)
    with torch.autocast(logits.device.type, enabled=False):
        columns = _column_mix(logits, labels, align_corners)
        for strip in _strips(logits, labels, align_corners):
            enlarged = _enlarge(logits, strip, columns)  # (B, K, R, W)
            picked = enlarged.gather(1, own[strip.images, :, strip.rows])[:, 0]
            losses[strip.images, strip.rows] = enlarged.logsumexp(dim=1) - picked
    return losses.where(valid, 0)


class _WeightedSum(torch.autograd.Function):
    """The sum, with its gradient computed beside it."""

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, labels: Tensor, weights: Tensor, align_corners: bool
    ) -> Tensor:
        """Logits `(B, K, h, w)`, labels and weights `(B, H, W)` to `()`."""
        grad = torch.zeros_like(logits) if ctx.needs_input_grad[0] else None
        total = logits.new_zeros(())
        own, factor = labels[:, None], weights[:, None]  # (B, 1, H, W)
        with torch.autocast(logits.device.type, enabled=False):
            columns = _column_mix(logits, labels, align_corners)
            for strip in _strips(logits, labels, align_corners):
                one, weight = (t[strip.images, :, strip.rows] for t in (own, factor))
                enlarged = _enlarge(logits, strip, columns)  # (B, K, R, W)
                largest = enlarged.amax(dim=1, keepdim=True)
                picked = enlarged.gather(1, one) - largest  # (B, 1, R, W)
                shares = (enlarged - largest).exp_()
                del enlarged
                whole = shares.sum(dim=1, keepdim=True)  # (B, 1, R, W)
                total += ((whole.log() - picked) * weight).sum()
                if grad is not None:
                    # Softmax minus one-hot, times the weight.
                    shares.mul_(weight / whole).scatter_add_(1, one, -weight)
                    grad[strip.images, :, strip.source] += _shrink(shares, strip, columns)
        if grad is not None:
            ctx.save_for_backward(grad)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        """The gradient of the logits `(B, K, h, w)`."""
        (own,) = ctx.saved_tensors
        return own * grad, None, None, None


def _strips(logits: Tensor, labels: Tensor, align_corners: bool) -> Iterator[_Strip]:
    """Cut the enlarged map into strips of a bounded size; of single images where that is needed."""
    (batch, classes, height), (rows, width) = logits.shape[:3], labels.shape[1:]
    maximum = STRIP_BYTES.get(logits.device.type, OTHER_STRIP_BYTES)
    row_bytes = classes * width * logits.element_size()
    images = 1 if logits.device.type == "cpu" or batch * row_bytes > maximum else batch
    step = max(1, maximum // (images * row_bytes))
    places = source_places(height, rows, align_corners=align_corners, **_EXACT)
    first = places.long().tolist()
    mix = None if height == rows else _to(logits, _mix(height, rows, align_corners))  # (H, h)
    for start in range(0, rows, step):
        stop = min(start + step, rows)
        source = slice(start, stop)
        if mix is not None:
            source = slice(first[start], min(first[stop - 1] + 2, height))
        part = None if mix is None else mix[start:stop, source]
        for image in range(0, batch, images):
            yield _Strip(slice(image, image + images), slice(start, stop), source, part)


def _column_mix(logits: Tensor, labels: Tensor, align_corners: bool) -> Tensor | None:
    """Share of each column of the head's map in each enlarged one, `(W, w)`; None if all stay."""
    before, after = logits.shape[3], labels.shape[2]
    if before == after:
        return None
    return _to(logits, _mix(before, after, align_corners))


def _to(logits: Tensor, table: Tensor) -> Tensor:
    """A table of the host with the type and on the device of the logits; waits for nothing."""
    return table.to(logits.dtype).to(logits.device, non_blocking=True)


def _mix(before: int, after: int, align_corners: bool) -> Tensor:
    """Share of each of the `before` cells of an axis in each of the new ones, float64."""
    return interpolation_matrix(before, after, align_corners=align_corners, **_EXACT)


def _enlarge(logits: Tensor, strip: _Strip, columns: Tensor | None) -> Tensor:
    """A strip of the enlarged logits: `(B, K, R, W)`."""
    part = logits[strip.images, :, strip.source]
    # Columns first, while there are few rows.
    if columns is not None:
        part = torch.matmul(part, columns.T)
    return part if strip.mix is None else torch.matmul(strip.mix, part)


def _shrink(grad: Tensor, strip: _Strip, columns: Tensor | None) -> Tensor:
    """The adjoint of `_enlarge`: `(B, K, R, W)` to the rows that the strip comes from."""
    if strip.mix is not None:
        grad = torch.matmul(strip.mix.T, grad)
    return grad if columns is None else torch.matmul(grad, columns)
