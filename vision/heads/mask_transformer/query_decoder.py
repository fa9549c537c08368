"""Queries that cluster the pixels of a pyramid, the trunk of the mask transformers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic

import torch
from torch import Tensor, nn

from vision.contracts.features import FeatureSpec
from vision.errors import ConfigError
from vision.heads.mask_transformer.conv_norm import ConvNorm, init_truncated, reset_parts
from vision.heads.mask_transformer.kmeans_layer import KMeansLayer
from vision.heads.mask_transformer.mask_prediction import MaskKernels, Predictions
from vision.heads.mask_transformer.pixel_decoder import PixelDecoder, StageKind
from vision.options import check_number, check_ranges, read_options


@dataclass(frozen=True)
class KMaXWidths:
    """Widths that the authors keep the same for all data sets and backbones.

    Attributes:
        queries: Channels D of a query and within a decoder layer.
        query_heads: Heads of the self-attention among queries.
        feedforward: Channels within the feed-forward networks.
        pixels: Channels of the layer before the pixel features.
        masks: Channels of pixel features and mask kernels.
        axial_heads: Heads of the axial attention.
        semantic: Channels of the semantic branch.
        low_level: Channels that it projects the maps of strides 8 and 4 to.
    """

    queries: int = 256
    query_heads: int = 8
    feedforward: int = 2048
    pixels: int = 256
    masks: int = 128
    axial_heads: int = 8
    semantic: int = 256
    low_level: tuple[int, int] = (64, 32)


class QueryDecoder(nn.Module, Generic[Predictions]):
    """A pixel decoder, decoder layers that update queries, and the last prediction.

    "k-means Mask Transformer", Yu et al., 2022, https://arxiv.org/abs/2207.04044.

    Args:
        specs: Channels and stride of each map, finest first.
        predict: Builds what predicts from queries, for a map of the given number of channels.
        num_queries: Number N of queries.
        stage_channels: Width of each stage of the pixel decoder, coarsest first, one per map.
        stage_depths: Number of blocks of each stage.
        stage_kinds: Kind of the blocks of each stage.
        depths: Decoder layers on the outputs of the first stages, coarsest first.
        drop_path_rate: Probability of dropping an update of the queries of a sample in training.
        widths: Widths within the decoder.

    Raises:
        ConfigError: The maps are out of order, or not as many as the stages, or an option is out of
            its range.
    """

    def __init__(
        self,
        specs: Sequence[FeatureSpec],
        *,
        predict: Callable[[int], MaskKernels[Predictions]],
        num_queries: int,
        stage_channels: Sequence[int],
        stage_depths: Sequence[int],
        stage_kinds: Sequence[StageKind],
        depths: Sequence[int],
        drop_path_rate: float,
        widths: KMaXWidths,
    ) -> None:
        super().__init__()
        check_number("num_queries", num_queries, minimum=1)
        check_number("drop_path_rate", drop_path_rate, minimum=0, below=1)
        _check_stages(specs, stage_channels, stage_depths, stage_kinds, depths)
        self.pixel_decoder = PixelDecoder(
            specs,
            channels=stage_channels,
            depths=stage_depths,
            kinds=stage_kinds,
            num_heads=widths.axial_heads,
        )
        outputs = self.pixel_decoder.out_channels
        self.stage_of_layer = [stage for stage, depth in enumerate(depths) for _ in range(depth)]
        self.queries = nn.Parameter(torch.empty(widths.queries, num_queries))
        self.layers = nn.ModuleList(
            KMeansLayer(
                outputs[stage],
                widths.queries,
                num_heads=widths.query_heads,
                feedforward_channels=widths.feedforward,
                prediction=predict(widths.queries),
                drop_path_rate=drop_path_rate,
            )
            for stage in self.stage_of_layer
        )
        self.class_queries = ConvNorm(widths.queries, widths.queries, dims=1, act=True)
        self.mask_queries = ConvNorm(widths.queries, widths.queries, dims=1, act=True)
        self.prediction = predict(outputs[-1])
        init_truncated(self.queries, std=1.0)

    def decode(self, features: Sequence[Tensor]) -> tuple[Predictions, list[Predictions]]:
        """Predict from a pyramid.

        Args:
            features: One map `(B, C, h, w)` per spec, finest first.

        Returns:
            The predictions at the size of the finest map, and those of each decoder layer.
        """
        stages = self.pixel_decoder(features)
        layers: list[Predictions] = []
        queries = self.queries.expand(features[0].shape[0], -1, -1)
        for stage, layer in zip(self.stage_of_layer, self.layers, strict=True):
            queries, predictions = layer(stages[stage], queries)
            layers.append(predictions)
        final = self.prediction(stages[-1], self.class_queries(queries), self.mask_queries(queries))
        return final, layers

    def no_weight_decay(self) -> set[str]:
        """The queries and the tables of relative positions."""
        return {
            name
            for name, _ in self.named_parameters()
            if name == "queries" or name.endswith("_table")
        }

    def reset_parameters(self) -> None:
        """Initialise the parameters, as published."""
        reset_parts(self)
        init_truncated(self.queries, std=1.0)


def read_widths(widths: KMaXWidths | Mapping[str, Any] | None) -> KMaXWidths:
    """Widths from an instance, a mapping of some of them, or None for the published ones.

    Raises:
        ConfigError: A width is unknown.
    """
    return read_options(KMaXWidths, widths or {}, group="widths")


def _check_stages(
    specs: Sequence[FeatureSpec],
    channels: Sequence[int],
    depths: Sequence[int],
    kinds: Sequence[StageKind],
    decoder_depths: Sequence[int],
) -> None:
    strides = [spec.stride for spec in specs]
    if len(strides) < 4 or strides != sorted(strides):
        raise ConfigError(
            "KMaXHead accepts four maps or more, finest first, such as maps of strides 4, 8, 16 "
            f"and 32; got strides {strides}."
        )
    counts = {"stage_channels": channels, "stage_depths": depths, "stage_kinds": kinds}
    for name, values in counts.items():
        if len(values) != len(specs):
            raise ConfigError(
                f"{name}={list(values)} must have one value for each of the {len(specs)} maps, "
                f"which have strides {strides[::-1]}, coarsest first."
            )
    for name, values in {"stage_channels": channels, "stage_depths": depths}.items():
        for value in values:
            check_number(name, value, minimum=1)
    for kind in kinds:
        check_ranges({"stage_kinds": kind}, {"stage_kinds": ("axial", "bottleneck")})
    if not 1 <= len(decoder_depths) <= len(specs) or min(decoder_depths) < 0:
        raise ConfigError(
            f"depths={list(decoder_depths)} must be the number of decoder layers on each of the "
            f"first stages, at most {len(specs)} numbers of 0 or more."
        )
