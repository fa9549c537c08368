"""The semantic branch of Panoptic FPN: every map convolved up to the finest, and their sum."""

import math
from collections.abc import Sequence

from torch import Tensor, nn

from vision.contracts.features import FeatureSpec
from vision.errors import ConfigError
from vision.heads.segmentation.base import PixelClassifier, check_specs
from vision.layers.conv_norm import ConvNormAct, ResizedConvNormAct


class SemanticFPNHead(PixelClassifier):
    """Convolutions and upsampling per map of an FPN, summed and classified.

    "Panoptic Feature Pyramid Networks", Kirillov et al., 2019, https://arxiv.org/abs/1901.02446,
    section 3 and figure 3, as in mmsegmentation: batch norm in place of group norm, one 3 x 3
    convolution for the finest map and one per halving of the size for the others, each of these
    followed by an enlargement by two. What was enlarged is resized to the size of the finest map,
    which differs where a side was rounded up.

    Args:
        specs: Channels and stride of each map, finest first, strides powers of two apart; published
            with an FPN of strides 4 to 32.
        num_classes: Number K of classes, at most 255.
        channels: Channels of the convolutions.
        dropout: Probability of dropping a channel before the classifier in training.
        align_corners: Of bilinear resizing; see `SegmentationHead`.

    Raises:
        ConfigError: There are no maps, they are out of order or their strides not powers of two
            apart, or the number of classes is out of its range.
    """

    def __init__(
        self,
        specs: Sequence[FeatureSpec],
        *,
        num_classes: int,
        channels: int = 128,
        dropout: float = 0.1,
        align_corners: bool = False,
    ) -> None:
        check_specs(specs, "SemanticFPNHead")
        super().__init__(
            channels,
            num_classes=num_classes,
            stride=specs[0].stride,
            dropout=dropout,
            align_corners=align_corners,
        )
        self.doublings = [_doublings(specs[0].stride, spec.stride) for spec in specs]
        self.scales = nn.ModuleList(
            nn.ModuleList(
                ConvNormAct(spec.channels, channels)
                if i == 0
                else ResizedConvNormAct([channels], channels, align_corners=align_corners)
                for i in range(max(doublings, 1))
            )
            for spec, doublings in zip(specs, self.doublings, strict=True)
        )
        self.reset_parameters()

    def merge(self, features: Sequence[Tensor]) -> Tensor:
        """Sum the maps at the size of the finest.

        Args:
            features: One map `(B, C, h, w)` per spec, finest first.

        Returns:
            The map `(B, channels, h, w)` that is classified.
        """
        size = (features[0].shape[-2], features[0].shape[-1])
        merged = self._enlarge(features[0], 0, size)
        for i in range(1, len(features)):
            merged = merged + self._enlarge(features[i], i, size)
        return merged

    def _enlarge(self, x: Tensor, level: int, size: tuple[int, int]) -> Tensor:
        for i, conv in enumerate(self.scales[level].children()):
            # The enlargement between two convolutions is left to the second.
            x = conv(x) if i == 0 else conv([x], (2 * x.shape[-2], 2 * x.shape[-1]))
        if self.doublings[level] > 0:
            x = self._resize(x, (2 * x.shape[-2], 2 * x.shape[-1]))
        return self._resize(x, size)


def _doublings(fine: int, coarse: int) -> int:
    steps = round(math.log2(coarse / fine))
    if fine << steps != coarse:
        raise ConfigError(
            f"SemanticFPNHead doubles the size of a map up to the size of the finest; strides "
            f"{fine} and {coarse} are not a power of two apart."
        )
    return steps
