"""A convolution over maps of unlike sizes as if all were resized to one size and concatenated.

Pyramid heads (UPerNet, PSPNet, SegFormer) enlarge coarse maps, concatenate them and convolve the
result. Bilinear resizing and the convolution are both linear, so that their order can change: the
convolution then runs over the few cells of the coarse map, and no enlarged input is ever stored.
The result is the same but for rounding.

A kernel of k x k is k * k matrices, one per tap, each applied to the map shifted by that tap with
zeros beyond the border. With R the matrix of the resize along an axis, x the map, and R_i the
matrix R whose rows are shifted by i and filled with zeros,

    conv(resize(x)) = sum over row taps i and column taps j of  R_i (W_ij x) R_j^T,

which is a 1 x 1 convolution to k * k * C' channels at the size of the map, one matrix for the rows
that takes all their taps at once, and one for the columns.

h and w are rows and columns of a map, H and W of the result, C' its channels, k the side of the
kernel.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vision.errors import ConfigError
from vision.layers.size_cache import SizeCache
from vision.ops.interpolation import interpolation_matrix, resize_bilinear

Size = tuple[int, int]


def tap_matrix(
    cells: int,
    wanted: int,
    *,
    taps: int,
    align_corners: bool,
    device: torch.device,
    dtype: torch.dtype,
) -> Tensor:
    """`interpolation_matrix` once per tap of a kernel, shifted by it, side by side.

    Args:
        cells: Cells h of the original axis.
        wanted: Cells H of the resized axis.
        taps: Taps k of the kernel along the axis, odd.
        align_corners: As for `interpolation_matrix`.
        device: Where the matrix is made.
        dtype: Its type.

    Returns:
        float `(H, k * h)`: row y of part i is row y + i - k // 2 of the interpolation, or zero
        where there is no such row.
    """
    matrix = interpolation_matrix(
        cells, wanted, align_corners=align_corners, device=device, dtype=dtype
    )
    reach = taps // 2
    padded = F.pad(matrix, (0, 0, reach, reach))  # (H + k - 1, h)
    return torch.cat([padded[i : i + wanted] for i in range(taps)], dim=1)


def multiply_adds(
    in_channels: int, out_channels: int, kernel_size: int, cells: Size, size: Size
) -> tuple[int, int]:
    """Multiply-adds for one map of one image, for either order of the two operations.

    Args:
        in_channels: Channels C of the map.
        out_channels: Channels C' of the result.
        kernel_size: Side k of the kernel.
        cells: Rows and columns of the map.
        size: Rows and columns of the result.

    Returns:
        The number where the map is resized first (not at all if it has the size), and where it is
        convolved first.
    """
    (h, w), (height, width) = cells, size
    kernel = kernel_size * kernel_size * in_channels * out_channels
    resized_first = kernel * height * width
    if cells != size:
        resized_first += 4 * in_channels * height * width
    convolved_first = kernel * h * w
    if kernel_size == 1:
        convolved_first += 4 * out_channels * height * width
    else:
        rows = kernel_size * w * height * kernel_size * h
        convolved_first += out_channels * (rows + height * width * kernel_size * w)
    return resized_first, convolved_first


class ResizedConv2d(nn.Module):
    """A convolution of stride 1 over the concatenation of maps that are resized to one size.

    Parameters and result (but for rounding) are the same as for an `nn.Conv2d` of as many channels
    that is padded with zeros to keep the size. Each map takes the order of convolution and resize
    that needs fewer multiply-adds (`multiply_adds`).

    Args:
        in_channels: Channels of each map, in the order of the concatenation.
        out_channels: Channels C' of the result.
        kernel_size: Side k of the kernel, odd.
        bias: Whether a bias is added.
        align_corners: Of the bilinear resize, as in `F.interpolate`.

    Raises:
        ConfigError: There is no map, or the kernel's side is even.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        out_channels: int,
        *,
        kernel_size: int = 3,
        bias: bool = False,
        align_corners: bool = False,
    ) -> None:
        super().__init__()
        if not in_channels:
            raise ConfigError("a convolution over several maps needs at least one; got none.")
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ConfigError(f"kernel_size is odd and positive; got {kernel_size}.")
        self.in_channels, self.out_channels = tuple(in_channels), out_channels
        self.kernel_size, self.align_corners = kernel_size, align_corners
        shape = (out_channels, sum(in_channels), kernel_size, kernel_size)
        self.weight = nn.Parameter(torch.empty(shape))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self.matrices = SizeCache()
        self.reset_parameters()

    def forward(self, maps: Sequence[Tensor], size: Size | None = None) -> Tensor:
        """Convolve.

        Args:
            maps: One `(B, C, h, w)` per entry of `in_channels`, of any sizes.
            size: Rows and columns of the result; by default the same as in the first map.

        Returns:
            The map `(B, C', H, W)`.
        """
        height, width = maps[0].shape[-2:] if size is None else size
        weights = self.weight.split(self.in_channels, dim=1)
        total = self._part(maps[0], weights[0], (height, width))
        for x, weight in zip(maps[1:], weights[1:], strict=True):
            total = total + self._part(x, weight, (height, width))
        return total if self.bias is None else total + self.bias[:, None, None]

    def reset_parameters(self) -> None:
        """Initialise as mmcv's blocks: after He et al., 2015, for the gradients."""
        nn.init.kaiming_normal_(self.weight, mode="fan_out", nonlinearity="relu")
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def extra_repr(self) -> str:
        """Return what `repr` shows of the settings."""
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"bias={self.bias is not None}, align_corners={self.align_corners}"
        )

    def _part(self, x: Tensor, weight: Tensor, size: Size) -> Tensor:
        """What one map adds to the result; `weight` `(C', C, k, k)` is its share of the kernel."""
        cells = (x.shape[-2], x.shape[-1])
        resized_first, convolved_first = multiply_adds(
            x.shape[1], self.out_channels, self.kernel_size, cells, size
        )
        corners = self.align_corners
        if cells == size or resized_first <= convolved_first:
            x = resize_bilinear(x, size, align_corners=corners)
            return F.conv2d(x, weight, padding=self.kernel_size // 2)
        if self.kernel_size == 1:
            return resize_bilinear(F.conv2d(x, weight), size, align_corners=corners)
        return self._convolve_first(x, weight, size)

    def _convolve_first(self, x: Tensor, weight: Tensor, size: Size) -> Tensor:
        h, w = x.shape[-2:]
        k = self.kernel_size
        # Rows of a column tap's row taps follow one another: one matrix holds them all.
        taps = weight.permute(0, 3, 2, 1).reshape(
            k * k * self.out_channels, int(weight.shape[1]), 1, 1
        )  # (C' * k * k, C, 1, 1)
        x = F.conv2d(x, taps).reshape(-1, self.out_channels, k, k * h, w)
        # Each product leaves the axis that it made last, so that nothing is copied in between.
        x = x.transpose(-2, -1) @ self._matrix(h, size[0], x).T  # (B, C', k, w, H)
        x = x.flatten(2, 3)  # (B, C', k * w, H)
        return x.transpose(-2, -1) @ self._matrix(w, size[1], x).T  # (B, C', H, W)

    def _matrix(self, cells: int, wanted: int, like: Tensor) -> Tensor:
        def build() -> Tensor:
            return tap_matrix(
                cells,
                wanted,
                taps=self.kernel_size,
                align_corners=self.align_corners,
                device=like.device,
                dtype=like.dtype,
            )

        return self.matrices.get((cells, wanted, like.device, like.dtype), build)
