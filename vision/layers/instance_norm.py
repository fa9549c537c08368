"""Instance norm in place, with what follows it in residual blocks, for maps with channels last.

PyTorch's instance norm copies such a map, and its gradient needs the map before and after the norm
and the activation. Here the map is overwritten: a leaky ReLU can be undone, so that the gradient
needs only what the next layer keeps anyway. The map is worked on in parts that fit into the
processor's cache.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from vision.ops.tracing import is_traced

EPS = 1e-5
# Values of a part of a map: half a megabyte in float32.
PART = 2**17
_FORMATS = {4: torch.channels_last, 5: torch.channels_last_3d}


def instance_norm_(x: Tensor, *, slope: float | None = None, added: Tensor | None = None) -> Tensor:
    """Instance norm without parameters, then a sum and a leaky ReLU if they are given.

    "Instance Normalization", 2016, https://arxiv.org/abs/1607.08022. `x` is overwritten where that
    saves memory and time: give the output of a convolution that nothing else uses.

    Args:
        x: `(B, C, *size)` with more than one cell.
        slope: Slope of the leaky ReLU for negative values, more than 0; None for no ReLU.
        added: `(B, C, *size)`, added before the ReLU; None adds nothing.

    Returns:
        `(B, C, *size)`.
    """
    if works_on_rows(x) and x.dtype in (torch.float32, torch.float64):
        shape = _FORMATS[x.ndim]
        added = None if added is None else added.contiguous(memory_format=shape)
        x = x.contiguous(memory_format=shape)
        result: Tensor = _NormInPlace.apply(x, added, slope)
        return result
    x = F.instance_norm(x, eps=EPS)
    x = x if added is None else x + added
    return x if slope is None else F.leaky_relu(x, slope, inplace=True)


def works_on_rows(x: Tensor) -> bool:
    """Whether maps have channels last: in eager mode on the CPU, whose kernels are faster so."""
    return x.device.type == "cpu" and not is_traced()


class _NormInPlace(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, added: Tensor | None, slope: float | None) -> Tensor:
        # Overwritten in secret: told of it, autograd would copy where `x` is a view, and nothing
        # else reads it.
        x = x.data
        inverse = x.new_empty(x.shape[:2])  # (B, C)
        for i, rows in enumerate(_rows(x)):
            mean, inverse[i] = _statistics(rows)
            rest = None if added is None else _rows(added)[i]
            scale, shift = inverse[i], -mean * inverse[i]
            for part in _parts(rows):
                chunk = rows[part]
                torch.addcmul(shift, chunk, scale, out=chunk)
                if rest is not None:
                    chunk.add_(rest[part])
                if slope is not None:
                    F.leaky_relu_(chunk, slope)
        ctx.slope = slope
        ctx.save_for_backward(x, added, inverse)
        return x

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        y, added, inverse = ctx.saved_tensors
        slope = ctx.slope
        grad = grad.contiguous(memory_format=_FORMATS[grad.ndim])
        # The gradient before the ReLU, which is that of `added` too.
        before = grad if slope is None else torch.empty_like(grad)
        result = before
        if slope is None or ctx.needs_input_grad[1]:
            result = torch.empty_like(grad)
        for i, (given, inner, outer) in enumerate(
            zip(_rows(grad), _rows(before), _rows(result), strict=True)
        ):
            output, rest = _rows(y)[i], None if added is None else _rows(added)[i]
            sums, products = [], []
            for part in _parts(given):
                if slope is not None:
                    torch.ops.aten.leaky_relu_backward.grad_input(
                        given[part], output[part], slope, True, grad_input=inner[part]
                    )
                sums.append(inner[part].sum(0))
                normal = _normalised(output[part], rest, part, slope)
                products.append(normal.mul_(inner[part]).sum(0))
            shift = torch.stack(sums).sum(0) / len(given)
            slant = torch.stack(products).sum(0) / len(given)
            for part in _parts(given):
                normal = _normalised(output[part], rest, part, slope)
                normal = torch.addcmul(shift, normal, slant, out=normal)
                torch.sub(inner[part], normal, out=outer[part]).mul_(inverse[i])
        return result, before if ctx.needs_input_grad[1] else None, None


def _rows(x: Tensor) -> Tensor:
    """`(B, cells, C)` of a map with channels last, a view."""
    return x.movedim(1, -1).flatten(1, -2)


def _parts(rows: Tensor) -> list[slice]:
    """Parts of `rows` `(cells, C)`."""
    step = max(1, PART // rows.shape[1])
    return [slice(start, start + step) for start in range(0, len(rows), step)]


def _statistics(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Mean, and inverse of the standard deviation, `(C,)` each, of `rows` `(cells, C)`."""
    pivot = rows[: PART // rows.shape[1] + 1].mean(0)
    sums, squares = [], []
    for part in _parts(rows):
        centred = rows[part] - pivot
        sums.append(centred.sum(0))
        squares.append(centred.square_().sum(0))
    first = torch.stack(sums).double().sum(0) / len(rows)
    variance = torch.stack(squares).double().sum(0) / len(rows) - first.square()
    inverse = (variance.clamp(min=0) + EPS).rsqrt()
    return (pivot + first).to(rows.dtype), inverse.to(rows.dtype)


def _normalised(output: Tensor, rest: Tensor | None, part: slice, slope: float | None) -> Tensor:
    """What the norm gave for a part of a map, from the result: a new tensor."""
    if slope is not None:
        output = F.leaky_relu(output, 1 / slope)
    if rest is not None:
        return output - rest[part] if slope is None else output.sub_(rest[part])
    return output.clone() if slope is None else output
