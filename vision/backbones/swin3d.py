"""Swin3D: a transformer of voxels that attend inside shifted windows, for rooms.

"Swin3D: A Pretrained Transformer Backbone for 3D Indoor Scene Understanding", Yang et al., 2023,
https://arxiv.org/abs/2304.06906. Code: microsoft/Swin3D (MIT). Two things differ from it: of two
voxels that are equally near to the mean of a coarser one, the first in the order of x, y, z stands
for it (there it is left to rounding); and a sample with fewer than 16 voxels is pooled over all
that it has (there numbers outside the sample are read).

Letters: V voxels, B samples, C channels.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from vision.backbones.encoder import Encoder
from vision.contracts.features import FeatureSpec
from vision.contracts.points import VoxelMap
from vision.errors import ConfigError
from vision.layers.drop_path import drop_path_rates
from vision.layers.encoded_attention import Encoding
from vision.layers.init import init_linear
from vision.layers.sparse_conv import SparseConv3d, conv_table
from vision.layers.voxel_block import VoxelBlock
from vision.layers.voxel_pooling import CellDown, NearestDown, Representatives, coarsen
from vision.ops.voxels import group_cells, sample_of
from vision.options import MAX_DEPTH, MAX_WIDTH, Range, check_number, check_ranges

# Colours in the encoding stay below 1, so that no difference reaches the end of a table.
SHADE = 1.001


class ConvNorm(nn.Module):
    """Sparse convolution, batch norm, ReLU.

    Args:
        in_channels: Number of channels of the input.
        out_channels: Number of channels of the result.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = SparseConv3d(in_channels, out_channels)
        self.norm = nn.BatchNorm1d(out_channels)

    def forward(self, x: Tensor, table: Tensor) -> Tensor:
        """Map `(V, C_in)` to `(V, C_out)`; `table` is the `conv_table` of the voxels."""
        return self.norm(self.conv(x, table)).relu()


class Residual(nn.Module):
    """Two sparse convolutions with batch norms beside a shortcut.

    Args:
        channels: Number of channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = SparseConv3d(channels, channels)
        self.norm1 = nn.BatchNorm1d(channels)
        self.conv2 = SparseConv3d(channels, channels)
        self.norm2 = nn.BatchNorm1d(channels)

    def forward(self, x: Tensor, table: Tensor) -> Tensor:
        """Map `(V, C)` to the same shape; `table` is the `conv_table` of the voxels."""
        y = self.norm1(self.conv1(x, table)).relu()
        return (self.norm2(self.conv2(y, table)) + x).relu()


class Swin3D(Encoder):
    """Encoder of packed clouds of voxels.

    Args:
        depths: Blocks of each stage; the first counts for the rates of stochastic depth even where
            that stage has none.
        channels: Channels of each stage.
        num_heads: Attention heads of each stage.
        window_sizes: Side of the windows of each stage, in voxels of the stage.
        quant_size: Rows of the tables of differences per voxel.
        drop_path_rate: Stochastic-depth rate of the last block; earlier ones rise linearly from 0.
        num_layers: Number of stages that are used; None for all.
        stem_transformer: Whether the finest stage has blocks of its own. Without, a residual
            convolution takes their place.
        first_down_stride: Voxels of the input per voxel of the second stage along each axis.
        knn_down: Whether a coarser voxel is the maximum over the 16 voxels nearest to the one that
            stands for it, rather than over those inside it.
        in_channels: Channels of a voxel: 3 for colours, 3 for normals, where the encoding has them
            or there are 9, and 3 more for the place inside the voxel.
        encoding: The signals whose differences are encoded: `"XYZ"`, `"XYZ_RGB"` or
            `"XYZ_RGB_NORM"`.

    Attributes:
        normals: Whether normals are needed.
        dense: Always True: there is no classifier, and so no parameter that only it uses.

    Raises:
        ConfigError: An option is out of its range or does not fit another.
    """

    family = "swin3d"
    input_conv: str | None = None
    dense = True
    feature_specs: tuple[FeatureSpec, ...]

    def __init__(
        self,
        *,
        depths: Sequence[int] = (2, 4, 9, 4, 4),
        channels: Sequence[int] = (48, 96, 192, 384, 384),
        num_heads: Sequence[int] = (6, 6, 12, 24, 24),
        window_sizes: Sequence[int] = (5, 7, 7, 7, 7),
        quant_size: int = 4,
        drop_path_rate: float = 0.2,
        num_layers: int | None = None,
        stem_transformer: bool = True,
        first_down_stride: int = 2,
        knn_down: bool = True,
        in_channels: int = 6,
        encoding: Encoding = "XYZ_RGB",
    ) -> None:
        super().__init__()
        count = len(channels) if num_layers is None else num_layers
        self.normals = "NORM" in encoding or in_channels == 9
        self.in_channels, self.encoding, self.quant_size = in_channels, encoding, quant_size
        sizes = {"depths": depths, "channels": channels, "num_heads": num_heads}
        _check_stages({**sizes, "window_sizes": window_sizes}, count)
        _check_options(self, first_down_stride, drop_path_rate)
        self.num_heads, self.window_sizes = tuple(num_heads[:count]), tuple(window_sizes[:count])
        self.strides = [1, *(first_down_stride * 2**i for i in range(count - 1))]
        down = NearestDown if knn_down else CellDown
        begin = 0 if stem_transformer else 1
        stem = ConvNorm(in_channels, channels[0])
        if stem_transformer:
            self.stem: nn.Module = stem
            self.first_down = None
        else:
            self.stem = nn.ModuleList([stem, Residual(channels[0])])
            self.first_down = down(channels[0], channels[1])
        self.stages, self.downs = nn.ModuleList(), nn.ModuleList()
        rates = drop_path_rates(drop_path_rate, depths)
        for i in range(begin, count):
            blocks = [
                VoxelBlock(
                    channels[i],
                    num_heads=num_heads[i],
                    window_size=window_sizes[i],
                    quant_size=quant_size,
                    encoding=encoding,
                    shifted=j % 2 == 1,
                    drop_path=rate,
                )
                for j, rate in enumerate(rates[i])
            ]
            self.stages.append(nn.ModuleList(blocks))
            if i + 1 < count:
                self.downs.append(down(channels[i], channels[i + 1]))
        self.embed_dim = channels[count - 1]
        self.feature_specs = tuple(map(FeatureSpec, channels[:count], self.strides))
        self.apply(init_linear)

    def forward(
        self, coords: Tensor, counts: Tensor, colors: Tensor, normals: Tensor | None = None
    ) -> list[VoxelMap]:
        """Compute the pyramid.

        Args:
            coords: float `(V, 3)` place of the point of each voxel, in voxels, z up; no two of a
                sample in one.
            counts: int64 `(B,)` voxels of each sample.
            colors: float `(V, 3)` in -1..1.
            normals: float `(V, 3)` unit vectors, where `self.normals`.

        Returns:
            A map per entry of `feature_specs`, finest first. The finest has its voxels as they
            came, the others sorted by sample, x, y, z.

        Raises:
            ConfigError: Normals are missing, or a voxel holds two points.
        """
        return self.encode(self.voxels_of(coords, counts, colors, normals))

    def voxels_of(
        self, coords: Tensor, counts: Tensor, colors: Tensor, normals: Tensor | None = None
    ) -> VoxelMap:
        """The voxels of a packed cloud with what the stem reads; arguments as in `forward`."""
        if self.normals and normals is None:
            raise ConfigError(
                f"encoding='{self.encoding}' needs the normals of points, and the data has none: "
                "choose encoding='XYZ_RGB' and in_channels=6, or data with normals."
            )
        samples, cells = sample_of(counts), coords.floor()
        vectors = [colors, *([normals] if self.normals and normals is not None else [])]
        offset = [coords - cells] if self.in_channels > 3 * len(vectors) else []
        features = torch.cat([*vectors, *offset], dim=1)
        signal = [samples[:, None].to(coords.dtype), coords, colors / SHADE, *vectors[1:]]
        indices = torch.cat([samples[:, None], cells.long()], dim=1)
        return VoxelMap(indices, counts, torch.cat(signal, dim=1), features, 1)

    def encode(self, voxels: VoxelMap) -> list[VoxelMap]:
        """The pyramid of voxels whose `features` `(V, in_channels)` the stem reads."""
        cells = group_cells(voxels.coords)
        if len(cells.coords) < len(voxels.coords):
            twice = cells.coords[cells.counts.argmax()].tolist()
            raise ConfigError(
                f"voxel {tuple(twice[1:])} of cloud {twice[0]} holds {int(cells.counts.max())} "
                "points, expected one: voxelise the cloud first, as the transforms of rooms do."
            )
        order, back = cells.order, cells.cell_of
        x = VoxelMap(cells.coords, voxels.counts, voxels.signal[order], voxels.features[order], 1)
        x = x._replace(features=self._stem(x))
        maps = [x] if self.first_down is not None else []
        if self.first_down is not None:
            x = self._down(self.first_down, x, self.strides[1])
        for i, blocks in enumerate(self.stages):
            x = x._replace(features=self._stage(blocks, x))
            maps.append(x)
            if i < len(self.downs):
                x = self._down(self.downs[i], x, self.strides[len(maps)])
        fine = maps[0]
        maps[0] = fine._replace(
            coords=voxels.coords, signal=voxels.signal, features=fine.features[back]
        )
        return maps

    def _stem(self, voxels: VoxelMap) -> Tensor:
        table = conv_table(voxels.coords)
        layers = self.stem if isinstance(self.stem, nn.ModuleList) else [self.stem]
        x = voxels.features
        for layer in layers:
            # Not recomputed: batch norms would count the batch twice.
            x = layer(x, table)
        return x

    def _stage(self, blocks: nn.Module, voxels: VoxelMap) -> Tensor:
        """The features after the blocks of a stage, which share two sets of windows."""
        x, found = voxels.features, {}
        for block in blocks.children():
            assert isinstance(block, VoxelBlock), "stages are made of these"
            if block.shifted not in found:
                found[block.shifted] = block.windows(voxels)
            x = self.run_block(block, x, found[block.shifted])
        return x

    def _down(self, layer: nn.Module, fine: VoxelMap, stride: int) -> VoxelMap:
        coarse: Representatives = coarsen(fine, stride)
        features = self.run_block(layer, fine, coarse)
        return VoxelMap(
            coarse.cells.coords, coarse.counts, fine.signal[coarse.rows], features, stride
        )

    def block_prefixes(self) -> list[list[str]]:
        """The stem, then each block, with the down-sampling between it and the block before."""
        levels = [["stem"]]
        for i, blocks in enumerate(self.stages):
            before = f"downs.{i - 1}" if i else "first_down"
            for j, _ in enumerate(blocks.children()):
                levels.append([*([before] if j == 0 else []), f"stages.{i}.{j}"])
        return levels


def _check_stages(lists: Mapping[str, Sequence[int]], count: int) -> None:
    check_number("num_layers", count, minimum=2, maximum=MAX_DEPTH, unit="stages")
    for name, values in lists.items():
        low, high = (0, MAX_DEPTH) if name == "depths" else (1, MAX_WIDTH)
        check_ranges({name: values}, {name: Range(minimum=low, maximum=high, length=0)})
        if len(values) < count:
            raise ConfigError(
                f"{name}={list(values)} must have one entry for each of the {count} stages."
            )


def _check_options(encoder: Swin3D, first_down_stride: int, drop_path_rate: float) -> None:
    # With 1 the second stage would be as fine as the first.
    check_number("first_down_stride", first_down_stride, minimum=2, maximum=MAX_WIDTH)
    check_number("drop_path_rate", drop_path_rate, minimum=0, below=1)
    check_number("quant_size", encoder.quant_size, minimum=1, maximum=MAX_WIDTH)
    signals = 6 if encoder.normals else 3
    if encoder.in_channels not in (signals, signals + 3):
        raise ConfigError(
            f"in_channels={encoder.in_channels} does not fit encoding='{encoder.encoding}': "
            f"expected {signals}, or {signals + 3} with the place inside the voxel."
        )


VARIANTS: dict[str, dict[str, Any]] = {
    "small": {},
    "large": {"channels": (80, 160, 320, 640, 640), "num_heads": (10, 10, 20, 40, 40)},
}
