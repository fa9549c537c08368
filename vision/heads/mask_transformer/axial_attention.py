"""Self-attention along the columns of a map and then along its rows, with relative positions."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vision.errors import ConfigError
from vision.heads.mask_transformer.conv_norm import init_truncated, make_norm
from vision.layers.conv_norm import batch_norm
from vision.layers.size_cache import SizeCache

# Largest distance along an axis that has a row of its own in the tables.
MAX_DISTANCE = 254


class AxisAttention(nn.Module):
    """Attention among the cells of one axis.

    The position-sensitive attention of "Axial-DeepLab", Wang et al., 2020,
    https://arxiv.org/abs/2003.07853: queries, keys and values each have a table of relative
    positions. Batch norms stand in place of the factor on
    the scores. The weights multiply vectors that depend on query and key, so that no fused kernel
    of attention applies.

    The tables have rows for distances up to 254 cells; cells further apart share the outermost
    rows, where the authors' code fails.

    Args:
        in_channels: Channels C of the input.
        key_channels: Channels of queries and of keys over all heads.
        value_channels: Channels V of values over all heads, and of the output.
        num_heads: Number of heads.
        cache: Keeps the indices of the tables by length.

    Raises:
        ConfigError: Channels are not divisible by the heads.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        key_channels: int,
        value_channels: int,
        num_heads: int,
        cache: SizeCache,
    ) -> None:
        super().__init__()
        if key_channels % num_heads or value_channels % num_heads:
            raise ConfigError(
                f"axial attention splits its channels among {num_heads} heads; got "
                f"{key_channels} of keys and {value_channels} of values."
            )
        self.num_heads, self.cache = num_heads, cache
        self.widths = [key_channels, key_channels, value_channels]
        self.qkv = nn.Conv1d(in_channels, sum(self.widths), 1, bias=False)
        self.qkv_norm = make_norm(sum(self.widths), dims=1)
        self.similarity_norm = make_norm(3 * num_heads, dims=2)
        self.output_norm = make_norm(2 * value_channels, dims=1)
        rows = 2 * MAX_DISTANCE + 1
        self.query_table = nn.Parameter(torch.empty(rows, key_channels // num_heads))
        self.key_table = nn.Parameter(torch.empty(rows, key_channels // num_heads))
        self.value_table = nn.Parameter(torch.empty(rows, value_channels // num_heads))
        self.reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        """Attend among the cells of an axis.

        Args:
            x: `(B, C, L)`.

        Returns:
            `(B, V, L)`.
        """
        qkv = batch_norm(self.qkv_norm, self.qkv(x)).split(self.widths, dim=1)
        query, key, value = (part.unflatten(1, (self.num_heads, -1)) for part in qkv)
        length = x.shape[-1]
        index = self.cache.get(
            ("relative", length, x.device), lambda: relative_index(length, x.device)
        )
        # l counts queries, m keys, d the channels of a head.
        similarity = torch.cat(
            [
                torch.einsum("bhdl,bhdm->bhlm", query, key),
                torch.einsum("bhdl,lmd->bhlm", query, self.query_table[index]),
                torch.einsum("bhdm,lmd->bhlm", key, self.key_table[index]),
            ],
            dim=1,
        )  # (B, 3 * heads, L, L)
        similarity = batch_norm(self.similarity_norm, similarity)
        weights = similarity.unflatten(1, (3, -1)).sum(dim=1).softmax(dim=-1)  # (B, heads, L, L)
        retrieved = torch.cat(
            [
                torch.einsum("bhlm,bhdm->bhdl", weights, value),
                torch.einsum("bhlm,lmd->bhdl", weights, self.value_table[index]),
            ],
            dim=1,
        ).flatten(1, 2)  # (B, 2 * V, L)
        retrieved = batch_norm(self.output_norm, retrieved)
        return retrieved.unflatten(1, (2, -1)).sum(dim=1)

    def reset_parameters(self) -> None:
        """Initialise the parameters."""
        init_truncated(self.qkv.weight, std=self.qkv.in_channels**-0.5)
        for table in (self.query_table, self.key_table, self.value_table):
            init_truncated(table, std=1.0)


class AxialAttention2d(nn.Module):
    """Attention along columns, then along rows, then GELU.

    Args:
        channels: Channels C of the map.
        key_channels: Channels of queries and of keys over all heads.
        num_heads: Number of heads.
        cache: Keeps the indices of the tables by length.

    Raises:
        ConfigError: Channels are not divisible by the heads.
    """

    def __init__(
        self, channels: int, *, key_channels: int, num_heads: int, cache: SizeCache
    ) -> None:
        super().__init__()
        self.height, self.width = (
            AxisAttention(
                channels,
                key_channels=key_channels,
                value_channels=channels,
                num_heads=num_heads,
                cache=cache,
            )
            for _ in range(2)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map `x` `(B, C, H, W)` to the same shape."""
        batch, _, height, width = x.shape
        x = x.permute(0, 3, 1, 2).flatten(0, 1)  # (B * W, C, H)
        x = self.height(x).unflatten(0, (batch, width))  # (B, W, C, H)
        x = x.permute(0, 3, 2, 1).flatten(0, 1)  # (B * H, C, W)
        x = self.width(x).unflatten(0, (batch, height))  # (B, H, C, W)
        return F.gelu(x.permute(0, 2, 1, 3))


def relative_index(length: int, device: torch.device) -> Tensor:
    """The row of a table for each query and key: their distance, from the middle row.

    Args:
        length: Number L of cells.
        device: Where the index is made.

    Returns:
        int64 `(L, L)` in [0, 508].
    """
    place = torch.arange(length, device=device)
    return (place - place[:, None]).clamp(-MAX_DISTANCE, MAX_DISTANCE) + MAX_DISTANCE
