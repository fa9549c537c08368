"""PolyMaX's head: the clusters of kMaX-DeepLab, each with a value in place of a class."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from vision.contracts.features import FeatureSpec
from vision.heads.depth.readout import Readout
from vision.heads.mask_transformer.conv_norm import init_truncated
from vision.heads.mask_transformer.mask_prediction import MASK_SCALE, MaskKernels
from vision.heads.mask_transformer.pixel_decoder import StageKind
from vision.heads.mask_transformer.query_decoder import KMaXWidths, QueryDecoder, read_widths
from vision.ops.boxes import at_least_float32
from vision.ops.mask_predictions import ClusterPredictions
from vision.ops.value_maps import ValueMaps


class ValuePrediction(MaskKernels[ClusterPredictions]):
    """Predicts the values of each query and its mask.

    Args:
        pixel_channels: Channels P of the map.
        query_channels: Channels D of a query.
        hidden_channels: Channels of the layer before the pixel features.
        mask_channels: Channels of pixel features and kernels.
        readout: What the values stand for, and how many C there are.
        mask_scale: As for `MaskKernels`.
    """

    def __init__(
        self,
        pixel_channels: int,
        query_channels: int,
        *,
        hidden_channels: int,
        mask_channels: int,
        readout: Readout,
        mask_scale: float = MASK_SCALE,
    ) -> None:
        super().__init__(
            pixel_channels,
            query_channels,
            hidden_channels=hidden_channels,
            mask_channels=mask_channels,
            mask_scale=mask_scale,
        )
        self.readout = readout
        self.values = nn.Conv1d(query_channels, readout.channels, 1)
        self.reset_parameters()

    def forward(
        self, pixels: Tensor, value_queries: Tensor, mask_queries: Tensor
    ) -> ClusterPredictions:
        """Predict values and masks.

        Args:
            pixels: `(B, P, h, w)`.
            value_queries: `(B, D, N)`, the queries that values are made of.
            mask_queries: `(B, D, N)`, the queries that kernels are made of.
        """
        values = self.readout.values(self.values(value_queries))
        return {"values": values, **self.masks(pixels, mask_queries)}

    def reset_parameters(self) -> None:
        """Initialise the layers that are not reset by themselves."""
        super().reset_parameters()
        # Values that differ from the start: equal ones would give the masks no gradient.
        init_truncated(self.values.weight, std=self.values.in_channels**-0.5)
        nn.init.zeros_(self.values.bias)  # type: ignore[arg-type]


class PolyMaXHead(QueryDecoder[ClusterPredictions]):
    """Gives each pixel the mean of the values of N clusters, from any pyramid of four maps or more.

    "PolyMaX: General Dense Prediction with Mask Transformer", Yang et al., 2023,
    https://arxiv.org/abs/2311.05770: each pixel has a distribution over clusters, each cluster a
    value, and their expectation replaces the regression of a value per pixel. The code that the
    authors announced could not be read; what the abstract and the introduction do not say is
    decided here:

    - pixel decoder, decoder layers and queries are those of `KMaXHead`, with 128 queries, and the
      masks lie at the finest stride, 4;
    - the distribution is the softmax over queries of the mask logits, which are the products of
      pixel features of unit length with the kernels of queries, after a norm of one channel;
    - a cluster's value is a linear layer of its query, and what the readout makes of it: a depth
      within its limits, or a vector, whose expectation is divided by its length;
    - the predictions of each decoder layer are supervised by the same losses; there is no matching,
      and no loss of masks;
    - the initial values of clusters differ, with a deviation of about 1 before the readout.

    Args:
        specs: Channels and stride of each map, finest first.
        readout: What the outputs stand for, and how many there are.
        num_queries: Number N of queries.
        stage_channels: Width of each stage of the pixel decoder, coarsest first, one per map.
        stage_depths: Number of blocks of each stage.
        stage_kinds: Kind of the blocks of each stage.
        depths: Decoder layers on the outputs of the first stages, coarsest first.
        drop_path_rate: Probability of dropping an update of the queries of a sample in training.
        mask_scale: As for `KMaXHead`.
        widths: Widths within the head.

    Attributes:
        stride: Image pixels per cell of the output along each axis.

    Raises:
        ConfigError: The maps are out of order, or not as many as the stages, or an option is out of
            its range.
    """

    def __init__(
        self,
        specs: Sequence[FeatureSpec],
        *,
        readout: Readout,
        num_queries: int = 128,
        stage_channels: Sequence[int] = (512, 256, 128, 64),
        stage_depths: Sequence[int] = (1, 5, 1, 1),
        stage_kinds: Sequence[StageKind] = ("axial", "axial", "bottleneck", "bottleneck"),
        depths: Sequence[int] = (2, 2, 2),
        drop_path_rate: float = 0.2,
        mask_scale: float = MASK_SCALE,
        widths: KMaXWidths | Mapping[str, Any] | None = None,
    ) -> None:
        widths = read_widths(widths)
        super().__init__(
            specs,
            predict=lambda channels: _prediction(channels, readout, widths, mask_scale),
            num_queries=num_queries,
            stage_channels=stage_channels,
            stage_depths=stage_depths,
            stage_kinds=stage_kinds,
            depths=depths,
            drop_path_rate=drop_path_rate,
            widths=widths,
        )
        self.readout, self.stride = readout, specs[0].stride

    def forward(self, features: Sequence[Tensor]) -> ValueMaps:
        """Give each pixel values.

        Args:
            features: One map `(B, C, h, w)` per spec, finest first.

        Returns:
            `values` `(B, readout.channels, h, w)` at the size of the finest map, and in training
            `layers`, those of each decoder layer.
        """
        final, layers = self.decode(features)
        outputs: ValueMaps = {"values": self.expect(final)}
        if self.training:
            outputs["layers"] = [self.expect(layer) for layer in layers]
        return outputs

    def expect(self, predictions: ClusterPredictions) -> Tensor:
        """The values `(B, C, h, w)` that pixels of the given clusters have in the mean."""
        shares = at_least_float32(predictions["mask_logits"]).softmax(dim=1)
        with torch.autocast(shares.device.type, enabled=False):
            values = torch.einsum("bnhw,bcn->bchw", shares, predictions["values"])
        return self.readout.finish(values)


def _prediction(
    pixel_channels: int, readout: Readout, widths: KMaXWidths, mask_scale: float
) -> ValuePrediction:
    return ValuePrediction(
        pixel_channels,
        widths.queries,
        hidden_channels=widths.pixels,
        mask_channels=widths.masks,
        readout=readout,
        mask_scale=mask_scale,
    )
