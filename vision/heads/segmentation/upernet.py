"""UPerNet: a pyramid pooling of the coarsest map, carried down to the finer ones, all merged."""

from collections.abc import Sequence

from torch import Tensor, nn

from vision.contracts.features import FeatureSpec
from vision.errors import ConfigError
from vision.heads.segmentation.base import PixelClassifier, check_specs
from vision.layers.conv_norm import ConvNormAct, ResizedConvNormAct
from vision.ops.pooling import adaptive_average


class UPerHead(PixelClassifier):
    """The head for semantic segmentation of UPerNet.

    "Unified Perceptual Parsing for Scene Understanding", Xiao et al., 2018,
    https://arxiv.org/abs/1807.10221, section 3.1, as in mmsegmentation: only the scene parsing
    branch, with 1 x 1 laterals that have a norm and a ReLU, and a 3 x 3 fusion of all levels at the
    size of the finest. The pooling follows "Pyramid Scene Parsing Network", Zhao et al., 2017,
    https://arxiv.org/abs/1612.01105, section 3.2.

    Args:
        specs: Channels and stride of each map, finest first; published with strides 4 to 32.
        num_classes: Number K of classes, at most 255.
        channels: Channels of every map within the head.
        pool_scales: Cells along each side of each grid that the coarsest map is pooled to.
        dropout: Probability of dropping a channel before the classifier in training.
        align_corners: Of bilinear resizing; see `SegmentationHead`.

    Raises:
        ConfigError: There are no maps or they are out of order, a grid has no cells, or the number
            of classes is out of its range.
    """

    def __init__(
        self,
        specs: Sequence[FeatureSpec],
        *,
        num_classes: int,
        channels: int = 512,
        pool_scales: Sequence[int] = (1, 2, 3, 6),
        dropout: float = 0.1,
        align_corners: bool = False,
    ) -> None:
        check_specs(specs, "UPerHead")
        super().__init__(
            channels,
            num_classes=num_classes,
            stride=specs[0].stride,
            dropout=dropout,
            align_corners=align_corners,
        )
        if any(size < 1 for size in pool_scales):
            raise ConfigError(f"pool_scales are 1 or more; got {tuple(pool_scales)}.")
        *finer, coarsest = specs
        self.pool_scales = tuple(pool_scales)
        self.pools = nn.ModuleList(
            ConvNormAct(coarsest.channels, channels, kernel_size=1) for _ in pool_scales
        )
        pooled = [coarsest.channels, *[channels] * len(self.pools)]
        self.bottleneck = ResizedConvNormAct(pooled, channels, align_corners=align_corners)
        self.laterals = nn.ModuleList(
            ConvNormAct(spec.channels, channels, kernel_size=1) for spec in finer
        )
        self.outputs = nn.ModuleList(ConvNormAct(channels, channels) for _ in finer)
        self.fusion = ResizedConvNormAct(
            [channels] * len(specs), channels, align_corners=align_corners
        )
        self.reset_parameters()

    def merge(self, features: Sequence[Tensor]) -> Tensor:
        """Merge the maps at the size of the finest.

        Args:
            features: One map `(B, C, h, w)` per spec, finest first.

        Returns:
            The map `(B, channels, h, w)` that is classified.
        """
        *finer, coarsest = features
        merged = self._pool(coarsest)
        levels = [merged]
        for i in reversed(range(len(finer))):
            lateral = self.laterals[i](finer[i])
            merged = lateral + self._resize(merged, (lateral.shape[-2], lateral.shape[-1]))
            levels.append(self.outputs[i](merged))
        return self.fusion(levels[::-1])

    def _pool(self, x: Tensor) -> Tensor:
        pooled = [
            pool(adaptive_average(x, size))
            for pool, size in zip(self.pools, self.pool_scales, strict=True)
        ]
        return self.bottleneck([x, *pooled])
