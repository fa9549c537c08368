"""kMaX-DeepLab's head: a pixel decoder, and queries that cluster its pixels."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from torch import Tensor

from vision.contracts.features import ClassRows, FeatureSpec
from vision.contracts.segmentation import IGNORED
from vision.heads.mask_transformer.mask_prediction import (
    CLASS_STD,
    MASK_SCALE,
    MaskPrediction,
)
from vision.heads.mask_transformer.pixel_decoder import StageKind
from vision.heads.mask_transformer.query_decoder import KMaXWidths, QueryDecoder, read_widths
from vision.heads.mask_transformer.semantic_branch import ASPPDecoder, PlainBranch, SemanticBranch
from vision.ops.mask_predictions import MaskPredictions, MaskTransformerOutputs
from vision.options import check_number, check_ranges

__all__ = ["KMaXHead", "KMaXWidths"]

SemanticKind = Literal["aspp", "plain", "none"]


class KMaXHead(QueryDecoder[MaskPredictions]):
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
        mask_scale: Initial scale of the norm over mask logits. A step changes it by about the
            learning rate: from the published 0.1, the first thousands of steps pass before masks
            can be sharp.
        class_std: Initial standard deviation of the weights of the classes of queries. With the
            published 0.01 all queries begin with the same classes; with a larger one, each query
            has classes of its own from the first step.
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
        mask_scale: float = MASK_SCALE,
        class_std: float = CLASS_STD,
        widths: KMaXWidths | Mapping[str, Any] | None = None,
    ) -> None:
        widths = read_widths(widths)
        check_number("num_classes", num_classes, minimum=1, maximum=IGNORED)
        check_ranges({"semantic": semantic}, {"semantic": ("aspp", "plain", "none")})
        super().__init__(
            specs,
            predict=lambda channels: _prediction(
                channels, num_classes, widths, mask_scale=mask_scale, class_std=class_std
            ),
            num_queries=num_queries,
            stage_channels=stage_channels,
            stage_depths=stage_depths,
            stage_kinds=stage_kinds,
            depths=depths,
            drop_path_rate=drop_path_rate,
            widths=widths,
        )
        self.num_classes = num_classes
        self.semantic = _semantic(semantic, specs, num_classes, widths)

    def forward(self, features: Sequence[Tensor]) -> MaskTransformerOutputs:
        """Predict masks and classes.

        Args:
            features: One map `(B, C, h, w)` per spec, finest first.

        Returns:
            The predictions at the size of the finest map, those of each decoder layer and, in
            training, the logits of the semantic branch.
        """
        final, layers = self.decode(features)
        outputs: MaskTransformerOutputs = {
            "class_logits": final["class_logits"],
            "mask_logits": final["mask_logits"],
            "pixel_features": final["pixel_features"],
            "layers": layers,
        }
        if self.training and self.semantic is not None:
            outputs["semantic_logits"] = self.semantic(features)
        return outputs

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


def _prediction(
    pixel_channels: int,
    num_classes: int,
    widths: KMaXWidths,
    *,
    mask_scale: float,
    class_std: float,
) -> MaskPrediction:
    return MaskPrediction(
        pixel_channels,
        widths.queries,
        hidden_channels=widths.pixels,
        mask_channels=widths.masks,
        num_classes=num_classes,
        mask_scale=mask_scale,
        class_std=class_std,
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
