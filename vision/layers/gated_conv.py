"""Recursive gated convolutions and the global filter that may mix in them.

"HorNet: Efficient High-Order Spatial Interactions with Recursive Gated Convolutions", Rao et al.,
2022, https://arxiv.org/abs/2207.14284, section 3.1. The global filter comes from "Global Filter
Networks for Image Classification", Rao et al., 2021, https://arxiv.org/abs/2107.00645.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from vision.layers.lean import Lean, given
from vision.layers.norm import LayerNorm2d
from vision.layers.spectrum import filter_spectrum, resize_filter
from vision.ops.tracing import is_traced

EPS = 1e-6


class GlobalLocalFilter(Lean):
    """Half the channels through a 3 x 3 convolution, half through a filter in the spectrum.

    Args:
        dim: Number of channels, even.
        grid_size: Height and width of the learned filter: `(H, W // 2 + 1)` for a map of H x W; it
            is resized for any other map.
    """

    def __init__(self, dim: int, *, grid_size: tuple[int, int]) -> None:
        super().__init__()
        half = dim // 2
        self.pre_norm = LayerNorm2d(dim, eps=EPS)
        self.conv = nn.Conv2d(half, half, kernel_size=3, padding=1, groups=half, bias=False)
        # Real and imaginary parts on the last axis, so that casts and optimisers treat it as any
        # other parameter.
        self.grid = nn.Parameter(torch.empty(half, *grid_size, 2))  # (C / 2, h, w, 2)
        self.post_norm = LayerNorm2d(dim, eps=EPS)
        nn.init.trunc_normal_(self.grid, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        """Map `x` `(B, C, H, W)` to the same shape."""
        near, far = self._halves(x)
        near = self.run_layer(self.conv, given(near, lambda: self._halves(x)[0]))
        grid = self._grid_for(x.shape[2], x.shape[3] // 2 + 1)
        again = (lambda: _precise(self._halves(x)[1])) if self.keeps_less() else None
        far = filter_spectrum(_precise(far), grid, again=again)
        # The halves alternate channel by channel.
        mixed = torch.stack((near.to(far.dtype), far), dim=2).flatten(1, 2)  # (B, C, H, W)
        return self.post_norm(mixed)

    def _halves(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Normalise `x` and halve its channels: two `(B, C / 2, H, W)`."""
        near, far = self.pre_norm(x).chunk(2, dim=1)
        return near, far

    def _grid_for(self, height: int, width: int) -> Tensor:
        """The learned grid `(C / 2, height, width, 2)`."""
        grid: Tensor = self.grid
        # Resizing to the same size changes nothing; while compiling, no branch depends on sizes.
        if is_traced() or grid.shape[1:3] != (height, width):
            grid = resize_filter(grid, (height, width))
        return grid


def _precise(x: Tensor) -> Tensor:
    """There are no transforms of 16-bit numbers of every length."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


class RecursiveGatedConv(Lean):
    """Recursive gated convolution of order n: n products of gates and spatial mixtures.

    Args:
        dim: Number of channels, a multiple of `2 ** (order - 1)`.
        order: Number of products; each doubles the width.
        scale: Factor on the spatial mixture.
        grid_size: Grid of a global filter in place of the 7 x 7 convolution.
    """

    def __init__(
        self, dim: int, *, order: int, scale: float, grid_size: tuple[int, int] | None = None
    ) -> None:
        super().__init__()
        self.widths = [dim // 2**i for i in reversed(range(order))]
        self.scale = scale
        total = sum(self.widths)
        # Gate and mixed channels are projected separately, so that the convolution reads the latter
        # without a copy. In this memory order a linear layer is a 1 x 1 convolution.
        self.gate = nn.Linear(dim, self.widths[0])
        self.proj_in = nn.Linear(dim, total)
        self.mix = (
            nn.Conv2d(total, total, kernel_size=7, padding=3, groups=total)
            if grid_size is None
            else GlobalLocalFilter(total, grid_size=grid_size)
        )
        self.steps = nn.ModuleList(
            nn.Linear(narrow, wide)
            for narrow, wide in zip(self.widths, self.widths[1:], strict=False)
        )
        self.proj_out = nn.Linear(dim, dim)

    def forward(
        self, x: Tensor, *, norm: nn.Module | None = None, out_scale: Tensor | None = None
    ) -> Tensor:
        """Map `x` `(B, H, W, C)` to the same shape.

        Args:
            x: The input.
            norm: Normalises the input, if there is a norm.
            out_scale: A factor on each channel of the result, `(C,)`.
        """
        gate, inner = self.run_layer(
            lambda x: (self.gate(x), self.proj_in(x)), lambda: x if norm is None else norm(x)
        )
        mixed = self.mix(inner.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)  # (B, H, W, C')
        first, *others = mixed.split(self.widths, dim=-1)
        product = self._multiply(gate, first)
        for step, mixture in zip(self.steps, others, strict=True):
            product = self._multiply(self.run_layer(step, product), mixture)
        return self.run_scaled(self.proj_out, product, out_scale)

    def _multiply(self, x: Tensor, mixture: Tensor) -> Callable[[], Tensor]:
        """Make the product of `x` and the scaled mixture, both `(B, H, W, width)`."""
        return lambda: self.run_layer(
            lambda scaled: x * scaled, lambda: mixture * self.scale, cast=False
        )


class GatedConv2d(RecursiveGatedConv):
    """A recursive gated convolution of maps, in place of a 3 x 3 convolution.

    Args:
        dim: Number of channels, a multiple of `2 ** (order - 1)`.
        order: As in `RecursiveGatedConv`; 2 in HorFPN.
        grid_size: As in `RecursiveGatedConv`.
    """

    def __init__(
        self, dim: int, *, order: int = 2, grid_size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(dim, order=order, scale=1.0, grid_size=grid_size)
        self.reset_parameters()

    def forward(
        self, x: Tensor, *, norm: nn.Module | None = None, out_scale: Tensor | None = None
    ) -> Tensor:
        """Map `x` `(B, C, H, W)` to the same shape; `norm` is of `(B, H, W, C)`."""
        x = x.permute(0, 2, 3, 1)
        return super().forward(x, norm=norm, out_scale=out_scale).permute(0, 3, 1, 2)

    def reset_parameters(self) -> None:
        """Initialise as published in HorFPN: uniform after Glorot and Bengio, 2010, and no bias."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        # One layer there.
        rows = self.gate.out_features + self.proj_in.out_features
        bound = math.sqrt(6 / (self.gate.in_features + rows))
        for layer in (self.gate, self.proj_in):
            nn.init.uniform_(layer.weight, -bound, bound)
        if isinstance(self.mix, GlobalLocalFilter):
            nn.init.trunc_normal_(self.mix.grid, std=0.02)
