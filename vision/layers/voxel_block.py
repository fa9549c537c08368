"""The transformer block of Swin3D, and the windows that it attends in."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vision.contracts.points import VoxelMap
from vision.layers.drop_path import DropPath
from vision.layers.encoded_attention import EncodedAttention, Encoding
from vision.layers.mlp import Mlp
from vision.ops.voxel_windows import EncodedWindows, encode_windows, group_windows
from vision.ops.voxels import Cells

# Columns of the signal of a voxel; a sample's number comes first.
_COLUMNS = {"xyz": slice(1, 4), "rgb": slice(4, 7), "norm": slice(7, 10)}


class VoxelBlock(nn.Module):
    """Attention inside windows and a feed-forward network, each after a norm and with a shortcut.

    Args:
        dim: Width of a voxel.
        num_heads: Number of heads.
        window_size: Side of a window in voxels.
        quant_size: Rows of the tables per voxel.
        encoding: The signals whose differences are encoded.
        shifted: Whether windows begin half a window earlier.
        drop_path: Probability that a voxel skips a branch in training.
    """

    def __init__(
        self,
        dim: int,
        *,
        num_heads: int,
        window_size: int,
        quant_size: int,
        encoding: Encoding,
        shifted: bool = False,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        self.window_size, self.shifted = window_size, shifted
        self.norm1 = nn.LayerNorm(dim)
        self.attn = EncodedAttention(
            dim,
            num_heads=num_heads,
            window_size=window_size,
            quant_size=quant_size,
            encoding=encoding,
        )
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = Mlp(dim, hidden_dim=4 * dim)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor, windows: EncodedWindows) -> Tensor:
        """Map `x` `(N, C)` to the same shape."""
        x = x + self.drop_path(self.attn(self.norm1(x), windows))
        return x + self.drop_path(self.mlp(self.norm2(x)))

    @torch.no_grad()
    def windows(self, voxels: VoxelMap) -> EncodedWindows:
        """The windows of a map, for this block and for all that are built like it."""
        shift = self.window_size // 2 if self.shifted else 0
        groups, positions = place_in_windows(
            voxels, self.window_size, shift, [signal.name for signal in self.attn.signals]
        )
        signals = self.attn.signals
        scales = positions.new_tensor([signal.scale for signal in signals for _ in range(3)])
        lengths = [signal.length for signal in signals for _ in range(3)]
        return encode_windows(groups, positions * scales, lengths, heads=self.attn.num_heads)


def place_in_windows(
    voxels: VoxelMap, window_size: int, shift: int, signals: Sequence[str]
) -> tuple[Cells, Tensor]:
    """Group the voxels of a map by window.

    Args:
        voxels: The map.
        window_size: Side of a window in voxels of the map.
        shift: By how many of them windows begin earlier.
        signals: Names of the signals.

    Returns:
        The windows, and float `(V, 3 * signals)`: the place of each voxel's point in its window, in
        voxels of the map, then colour and normal.
    """
    cells = voxels.coords.clone()
    cells[:, 1:] = torch.div(cells[:, 1:], voxels.stride, rounding_mode="floor")
    parts = [voxels.signal[:, _COLUMNS[name]] for name in signals]
    inside = (parts[0] - voxels.coords[:, 1:]) / voxels.stride
    parts[0] = (cells[:, 1:] + shift).remainder(window_size) + inside
    return group_windows(cells, window_size, shift), torch.cat(parts, dim=1)
