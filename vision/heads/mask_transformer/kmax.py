"""kMaX-DeepLab's head: a pixel decoder, and queries that cluster its pixels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from vision.contracts.features import ClassRows, FeatureSpec
from vision.contracts.segmentation import IGNORED
from vision.errors import ConfigError
from vision.heads.mask_transformer.conv_norm import ConvNorm, init_truncated, reset_parts
from vision.heads.mask_transformer.kmeans_layer import KMeansLayer
from vision.heads.mask_transformer.mask_prediction import MaskPrediction
from vision.heads.mask_transformer.pixel_decoder import PixelDecoder, StageKind
from vision.heads.mask_transformer.semantic_branch import ASPPDecoder, PlainBranch, SemanticBranch
from vision.ops.mask_predictions import MaskPredictions, MaskTransformerOutputs
from vision.options import check_number, check_ranges

SemanticKind = Literal["aspp", "plain", "none"]


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


class KMaXHead(nn.Module):
    """Predicts N masks and their classes, from any pyramid of four maps or more.

    "k-means Mask Transformer", Yu et al., 2022, https://arxiv.org/abs/2207.04044, as in the
    authors' PyTorch code (https://github.com/bytedance/kmax-deeplab, Apache-2.0). The defaults are
    those of COCO with maps of strides 4 to 32.

    Args:
        specs: Channels and stride of each map, finest first.
        num_classes: Number K of classes, at most 255: label 255 means no class.
        num_queries: Number N of queries.
        stage_channels: Width of each stage of the pixel decoder, coarsest first, one per map.
        stage_depths: Number of blocks of each stage.
        stage_kinds: Kind of the blocks of each stage.
        depths: Decoder layers on the outputs of the first stages, coarsest first.
        semantic: The branch that classifies pixels in training alone: `"aspp"` with K + 1 logits at
            stride 4, `"plain"` with K logits at the coarsest map, or `"none"`.
        drop_path_rate: Probability of dropping an update of the queries of a sample in training.
        widths: Widths within the head.

    Raises:
        ConfigError: The maps are out of order, or not as many as the stages, or an option is out of
            its range.
    """

    def __init__(
        self,
        specs: Sequence[FeatureSpec],
        *,
        num_classes: int,
        num_queries: int = 128,
        stage_channels: Sequence[int] = (512, 256, 128, 64),
        stage_depths: Sequence[int] = (1, 5, 1, 1),
        stage_kinds: Sequence[StageKind] = ("axial", "axial", "bottleneck", "bottleneck"),
        depths: Sequence[int] = (2, 2, 2),
        semantic: SemanticKind = "aspp",
        drop_path_rate: float = 0.2,
        widths: KMaXWidths | None = None,
    ) -> None:
        super().__init__()
        widths = widths or KMaXWidths()
        check_number("num_classes", num_classes, minimum=1, maximum=IGNORED)
        check_number("num_queries", num_queries, minimum=1)
        check_number("drop_path_rate", drop_path_rate, minimum=0, below=1)
        check_ranges({"semantic": semantic}, {"semantic": ("aspp", "plain", "none")})
        _check_stages(specs, stage_channels, stage_depths, stage_kinds, depths)
        self.num_classes = num_classes
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
                prediction=_prediction(widths.queries, num_classes, widths),
                drop_path_rate=drop_path_rate,
            )
            for stage in self.stage_of_layer
        )
        self.class_queries = ConvNorm(widths.queries, widths.queries, dims=1, act=True)
        self.mask_queries = ConvNorm(widths.queries, widths.queries, dims=1, act=True)
        self.prediction = _prediction(outputs[-1], num_classes, widths)
        self.semantic = _semantic(semantic, specs, num_classes, widths)
        init_truncated(self.queries, std=1.0)

    def forward(self, features: Sequence[Tensor]) -> MaskTransformerOutputs:
        """Predict masks and classes.

        Args:
            features: One map `(B, C, h, w)` per spec, finest first.

        Returns:
            The predictions at the size of the finest map, those of each decoder layer and, in
            training, the logits of the semantic branch.
        """
        stages = self.pixel_decoder(features)
        layers: list[MaskPredictions] = []
        queries = self.queries.expand(features[0].shape[0], -1, -1)
        for stage, layer in zip(self.stage_of_layer, self.layers, strict=True):
            queries, predictions = layer(stages[stage], queries)
            layers.append(predictions)
        final = self.prediction(stages[-1], self.class_queries(queries), self.mask_queries(queries))
        outputs: MaskTransformerOutputs = {
            "class_logits": final["class_logits"],
            "mask_logits": final["mask_logits"],
            "pixel_features": final["pixel_features"],
            "layers": layers,
        }
        if self.training and self.semantic is not None:
            outputs["semantic_logits"] = self.semantic(features)
        return outputs

    def no_weight_decay(self) -> set[str]:
        """The queries and the tables of relative positions."""
        return {
            name
            for name, _ in self.named_parameters()
            if name == "queries" or name.endswith("_table")
        }

    def class_rows(self) -> dict[str, ClassRows]:
        """The last layer of each prediction, and of the semantic branch."""
        owners = [f"layers.{i}.prediction.classes" for i in range(len(self.layers))]
        found = dict.fromkeys(
            [*owners, "prediction.classes"], ClassRows(groups=1, per_class=1, background=True)
        )
        if self.semantic is not None:
            found["semantic.classifier"] = self.semantic.class_rows()
        return {
            f"{name}.{part}": rows for name, rows in found.items() for part in ("weight", "bias")
        }

    def reset_parameters(self) -> None:
        """Initialise the parameters, as published."""
        reset_parts(self)
        init_truncated(self.queries, std=1.0)


def _prediction(pixel_channels: int, num_classes: int, widths: KMaXWidths) -> MaskPrediction:
    return MaskPrediction(
        pixel_channels,
        widths.queries,
        hidden_channels=widths.pixels,
        mask_channels=widths.masks,
        num_classes=num_classes,
    )


def _semantic(
    kind: SemanticKind, specs: Sequence[FeatureSpec], num_classes: int, widths: KMaXWidths
) -> SemanticBranch | None:
    if kind == "plain":
        return PlainBranch(specs, num_classes=num_classes, channels=widths.semantic)
    if kind == "aspp":
        return ASPPDecoder(
            specs,
            num_classes=num_classes,
            channels=widths.semantic,
            reduced_channels=widths.low_level,
        )
    return None


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
