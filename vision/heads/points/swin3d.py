"""The decoder of Swin3D: features of coarse voxels are interpolated up to the finest ones.

"Swin3D: A Pretrained Transformer Backbone for 3D Indoor Scene Understanding", Yang et al., 2023,
https://arxiv.org/abs/2304.06906, section 3.4. Code: microsoft/Swin3D (MIT).

Letters: V fine voxels, U coarse ones, C channels, K classes.
"""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from vision.contracts.features import ClassRows, FeatureSpec
from vision.contracts.points import VoxelMap
from vision.errors import ConfigError
from vision.layers.encoded_attention import Encoding
from vision.layers.init import init_linear
from vision.layers.voxel_block import VoxelBlock
from vision.ops.voxel_neighbors import nearest

Upsample = Literal["linear", "linear_attn"]
# Stochastic depth of the blocks of the decoder, as in the authors' code.
DROP_PATH = 0.1


class UpBlock(nn.Module):
    """Add what coarse voxels hold to the voxels of a finer map.

    Args:
        in_channels: Channels of the coarse voxels.
        out_channels: Channels of the finer map and of the result.
        neighbors: Coarse voxels that each fine one is interpolated from.
        block: What follows, if anything.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, neighbors: int, block: VoxelBlock | None
    ) -> None:
        super().__init__()
        self.neighbors = neighbors
        self.skip = nn.Sequential(nn.LayerNorm(out_channels), nn.Linear(out_channels, out_channels))
        self.coarse = nn.Sequential(nn.LayerNorm(in_channels), nn.Linear(in_channels, out_channels))
        self.block = block

    def forward(self, coarse: VoxelMap, fine: VoxelMap) -> VoxelMap:
        """The finer map `(V, C)` with both."""
        x = self.skip(fine.features) + interpolate(
            self.coarse(coarse.features), coarse, fine, self.neighbors
        )
        if self.block is not None:
            x = self.block(x, self.block.windows(fine))
        return fine._replace(features=x)


def interpolate(x: Tensor, coarse: VoxelMap, fine: VoxelMap, neighbors: int) -> Tensor:
    """The mean over the nearest coarse points of the sample, weighted by 1 / distance.

    Args:
        x: `(U, C)`.
        coarse: Where they are.
        fine: Where the result is.
        neighbors: Number of coarse points; all, if a sample has fewer.

    Returns:
        `(V, C)`.
    """
    queries, points = fine.signal[:, 1:4], coarse.signal[:, 1:4]
    found = nearest(queries, fine.counts, points, coarse.counts, neighbors)
    weights = 1 / (found.distances.sqrt() + 1e-8)  # 0 where there is none
    weights = (weights / weights.sum(1, keepdim=True)).to(x.dtype)
    rows = found.indices.clamp(min=0)
    total = weights[:, :1] * x.index_select(0, rows[:, 0])
    for i in range(1, rows.shape[1]):
        total = total + weights[:, i : i + 1] * x.index_select(0, rows[:, i])
    return total


class Swin3DHead(nn.Module):
    """Logits of the voxels of the finest map.

    Args:
        feature_specs: Channels and stride of each map, finest first, at least two.
        num_classes: Number K of classes.
        upsample: `"linear"` interpolates; `"linear_attn"` lets a block of attention follow.
        up_k: Coarse voxels that each fine one is interpolated from.
        num_heads: Attention heads for each map, those of the backbone, for `"linear_attn"`.
        window_sizes: Side of the windows for each map, likewise.
        quant_size: Rows of the tables of differences per voxel, likewise.
        encoding: The signals whose differences are encoded, likewise.

    Raises:
        ConfigError: An option is out of its range or does not fit another.
    """

    def __init__(
        self,
        feature_specs: Sequence[FeatureSpec],
        *,
        num_classes: int,
        upsample: Upsample = "linear_attn",
        up_k: int = 3,
        num_heads: Sequence[int] | None = None,
        window_sizes: Sequence[int] | None = None,
        quant_size: int = 4,
        encoding: Encoding = "XYZ_RGB",
    ) -> None:
        super().__init__()
        _check_options(feature_specs, num_classes, upsample, up_k)
        heads = _each("num_heads", num_heads, feature_specs, upsample)
        windows = _each("window_sizes", window_sizes, feature_specs, upsample)
        self.num_classes = num_classes
        self.ups = nn.ModuleList()
        for i in reversed(range(len(feature_specs) - 1)):
            width = feature_specs[i].channels
            block = None
            if upsample == "linear_attn":
                block = VoxelBlock(
                    width,
                    num_heads=heads[i],
                    window_size=windows[i],
                    quant_size=quant_size,
                    encoding=encoding,
                    drop_path=DROP_PATH,
                )
            self.ups.append(
                UpBlock(feature_specs[i + 1].channels, width, neighbors=up_k, block=block)
            )
        width = feature_specs[0].channels
        self.classifier = nn.Sequential(
            nn.Linear(width, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, num_classes)
        )
        self.reset_parameters()

    def forward(self, maps: Sequence[VoxelMap]) -> Tensor:
        """Classify voxels.

        Args:
            maps: One per spec, finest first.

        Returns:
            Logits `(V, K)` of the voxels of the finest map, as they stand there.
        """
        x = maps[-1]
        for up, fine in zip(self.ups, reversed(maps[:-1]), strict=True):
            x = up(x, fine)
        return self.classifier(x.features)

    def class_rows(self) -> dict[str, ClassRows]:
        """The parameters that have rows for classes, by their name within the head."""
        rows = ClassRows(groups=1, per_class=1, background=False)
        return dict.fromkeys(("classifier.3.weight", "classifier.3.bias"), rows)

    def reset_parameters(self) -> None:
        """Fill linear layers from a truncated normal, and what else there is as it is built."""
        for module in self.modules():
            reset = getattr(module, "reset_parameters", None)
            if module is not self and callable(reset):
                reset()
        self.apply(init_linear)


def _check_options(
    feature_specs: Sequence[FeatureSpec], num_classes: int, upsample: str, up_k: int
) -> None:
    if len(feature_specs) < 2:
        raise ConfigError(f"Swin3DHead needs at least two maps; got {len(feature_specs)}.")
    if num_classes < 1:
        raise ConfigError(f"num_classes={num_classes} must be at least 1.")
    if upsample not in ("linear", "linear_attn"):
        raise ConfigError(f"upsample='{upsample}' must be 'linear' or 'linear_attn'.")
    if up_k < 1:
        raise ConfigError(f"up_k={up_k} must be at least 1.")


def _each(
    name: str, values: Sequence[int] | None, feature_specs: Sequence[FeatureSpec], upsample: str
) -> Sequence[int]:
    if values is None and upsample == "linear_attn":
        raise ConfigError(
            f"upsample='linear_attn' needs {name}, one for each map: those of the backbone."
        )
    if values is not None and len(values) < len(feature_specs):
        raise ConfigError(
            f"{name}={list(values)} must have one entry for each of the {len(feature_specs)} maps."
        )
    return values or ()
