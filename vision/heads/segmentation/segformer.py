"""The head of SegFormer: one linear layer per map, and one over all of them."""

from collections.abc import Sequence

from torch import Tensor, nn

from vision.contracts.features import FeatureSpec
from vision.heads.segmentation.base import PixelClassifier, check_specs
from vision.layers.conv_norm import ConvNormAct, ResizedConvNormAct


class SegFormerHead(PixelClassifier):
    """Projections of all maps to one width, resized, concatenated and projected again.

    "SegFormer: Simple and Efficient Design for Semantic Segmentation with Transformers", Xie et
    al., 2021, https://arxiv.org/abs/2105.15203, section 3.2 and equation 4. As in mmsegmentation,
    the projections have a batch norm and a ReLU, where the paper's are linear, and the maps are
    concatenated from fine to coarse.

    Args:
        specs: Channels and stride of each map, finest first; published with strides 4 to 32.
        num_classes: Number K of classes, at most 255.
        channels: Channels of the projections and of the fusion.
        dropout: Probability of dropping a channel before the classifier in training.
        align_corners: Of bilinear resizing; see `SegmentationHead`.

    Raises:
        ConfigError: There are no maps or they are out of order, or the number of classes is out of
            its range.
    """

    def __init__(
        self,
        specs: Sequence[FeatureSpec],
        *,
        num_classes: int,
        channels: int = 256,
        dropout: float = 0.1,
        align_corners: bool = False,
    ) -> None:
        check_specs(specs, "SegFormerHead")
        super().__init__(
            channels,
            num_classes=num_classes,
            stride=specs[0].stride,
            dropout=dropout,
            align_corners=align_corners,
        )
        self.projections = nn.ModuleList(
            ConvNormAct(spec.channels, channels, kernel_size=1) for spec in specs
        )
        self.fusion = ResizedConvNormAct(
            [channels] * len(specs), channels, kernel_size=1, align_corners=align_corners
        )
        self.reset_parameters()

    def merge(self, features: Sequence[Tensor]) -> Tensor:
        """Merge the maps at the size of the finest.

        Args:
            features: One map `(B, C, h, w)` per spec, finest first.

        Returns:
            The map `(B, channels, h, w)` that is classified.
        """
        return self.fusion(
            [
                projection(features_of_level)
                for projection, features_of_level in zip(self.projections, features, strict=True)
            ]
        )
