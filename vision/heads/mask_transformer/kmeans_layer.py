"""A decoder layer that updates queries as k-means updates the centres of clusters."""

from typing import Generic

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vision.errors import ConfigError
from vision.heads.mask_transformer.conv_norm import ConvNorm, make_norm
from vision.heads.mask_transformer.mask_prediction import MaskKernels, Predictions
from vision.layers.conv_norm import batch_norm
from vision.layers.drop_path import DropPath
from vision.ops.boxes import at_least_float32


class QueryAttention(nn.Module):
    """Self-attention among queries, with batch norms in place of the factor on the scores.

    Args:
        channels: Channels D of a query; keys have half as many over all heads.
        num_heads: Number of heads.

    Raises:
        ConfigError: The channels of keys are not divisible by the heads.
    """

    def __init__(self, channels: int, *, num_heads: int) -> None:
        super().__init__()
        if channels % (2 * num_heads):
            raise ConfigError(
                f"queries of {channels} channels need keys of half as many, which {num_heads} "
                "heads cannot share equally."
            )
        self.num_heads, self.widths = num_heads, [channels // 2, channels // 2, channels]
        self.qkv = ConvNorm(channels, sum(self.widths), dims=1, std=channels**-0.5)
        self.similarity_norm = make_norm(num_heads, dims=2)
        self.output_norm = make_norm(channels, dims=1)
        self.project = ConvNorm(channels, channels, dims=1, norm_scale=0.0)

    def forward(self, queries: Tensor) -> Tensor:
        """Map `queries` `(B, D, N)` to the same shape."""
        qkv = self.qkv(queries).split(self.widths, dim=1)
        query, key, value = (part.unflatten(1, (self.num_heads, -1)) for part in qkv)
        similarity = torch.einsum("bhdl,bhdm->bhlm", query, key)  # (B, heads, N, N)
        weights = batch_norm(self.similarity_norm, similarity).softmax(dim=-1)
        retrieved = torch.einsum("bhlm,bhdm->bhdl", weights, value).flatten(1, 2)  # (B, D, N)
        update: Tensor = self.project(F.gelu(batch_norm(self.output_norm, retrieved)))
        return update


class KMeansLayer(nn.Module, Generic[Predictions]):
    """Assigns every pixel to its best query, adds the sums of clusters, and lets queries interact.

    "k-means Mask Transformer", Yu et al., 2022, https://arxiv.org/abs/2207.04044. The layer
    predicts masks with the queries that it is given; these masks decide the assignment, and no
    gradient flows through it. Clusters are summed, not averaged. Unlike a transformer's, both
    updates are made of the queries before any update.

    Args:
        pixel_channels: Channels P of the map.
        channels: Channels D of a query and within the layer.
        num_heads: Heads of the self-attention.
        feedforward_channels: Channels within the feed-forward network.
        prediction: Predicts from a map and queries of D channels.
        drop_path_rate: Probability of dropping an update of a sample in training.

    Raises:
        ConfigError: The channels of keys are not divisible by the heads.
    """

    def __init__(
        self,
        pixel_channels: int,
        channels: int,
        *,
        num_heads: int,
        feedforward_channels: int,
        prediction: MaskKernels[Predictions],
        drop_path_rate: float,
    ) -> None:
        super().__init__()
        self.pixels = ConvNorm(pixel_channels, channels, act=True)
        self.values = ConvNorm(channels, channels, std=channels**-0.5)
        self.queries = ConvNorm(channels, channels, dims=1, act=True)
        self.prediction = prediction
        self.cluster_norm = make_norm(channels, dims=1)
        self.cluster_project = ConvNorm(channels, channels, dims=1, norm_scale=0.0)
        self.attention = QueryAttention(channels, num_heads=num_heads)
        self.feedforward = nn.Sequential(
            ConvNorm(channels, feedforward_channels, dims=1, act=True),
            ConvNorm(feedforward_channels, channels, dims=1, norm_scale=0.0),
        )
        self.drop_path = DropPath(drop_path_rate)

    def forward(self, pixels: Tensor, queries: Tensor) -> tuple[Tensor, Predictions]:
        """Update queries.

        Args:
            pixels: `(B, P, h, w)`.
            queries: `(B, D, N)`.

        Returns:
            The updated queries `(B, D, N)`, and what was predicted before the update.
        """
        pixels = self.pixels(F.gelu(pixels))
        projected = self.queries(queries)
        predictions = self.prediction(pixels, projected, projected)
        sums = cluster_sums(predictions["mask_logits"], self.values(pixels))
        update = self.cluster_project(batch_norm(self.cluster_norm, sums))
        queries = queries + self.drop_path(update)
        queries = F.gelu(queries + self.drop_path(self.attention(projected)))
        return F.gelu(queries + self.drop_path(self.feedforward(queries))), predictions


def cluster_sums(mask_logits: Tensor, values: Tensor) -> Tensor:
    """Sum the values of the pixels of each cluster; a pixel belongs to its highest logit alone.

    Sums run over thousands of pixels, and are in float32 under autocast too.

    Args:
        mask_logits: `(B, N, h, w)`; no gradient flows back to it.
        values: `(B, D, h, w)`.

    Returns:
        `(B, D, N)`.
    """
    values = at_least_float32(values.flatten(2))
    best = mask_logits.detach().flatten(2).argmax(dim=1)  # (B, h * w)
    assigned = F.one_hot(best, mask_logits.shape[1]).to(values.dtype)  # (B, h * w, N)
    with torch.autocast(values.device.type, enabled=False):
        return values @ assigned
