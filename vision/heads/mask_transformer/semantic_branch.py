"""Branches that classify pixels in training alone, beside a mask transformer."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vision.contracts.features import ClassRows, FeatureSpec
from vision.heads.mask_transformer.conv_norm import ConvNorm, init_truncated
from vision.ops.interpolation import resize_by_width


class SemanticBranch(nn.Module, ABC):
    """Logits of classes from the maps of a backbone, to supervise it directly.

    Args:
        channels: Channels of the map that is classified.
        num_classes: Number of logits.
    """

    def __init__(self, channels: int, *, num_classes: int) -> None:
        super().__init__()
        self.classifier = nn.Conv2d(channels, num_classes, 1)
        self.reset_parameters()

    @abstractmethod
    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Classify the cells of a pyramid of the backbone, finest first."""

    @abstractmethod
    def class_rows(self) -> ClassRows:
        """Layout of the classes in the rows of the classifier."""

    def reset_parameters(self) -> None:
        """Initialise the classifier."""
        init_truncated(self.classifier.weight, std=0.01)
        nn.init.zeros_(self.classifier.bias)  # type: ignore[arg-type]


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling: convolutions of several dilations and a global average.

    "Rethinking Atrous Convolution for Semantic Image Segmentation", Chen et al., 2017,
    https://arxiv.org/abs/1706.05587, section 3.3.

    Args:
        in_channels: Channels C of the map.
        channels: Channels of each part and of the output.
        rates: Dilations of the 3 x 3 convolutions.
        dropout: Probability of dropping a value of the output in training.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        *,
        rates: Sequence[int] = (6, 12, 18),
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            [
                ConvNorm(in_channels, channels, act=True, std="xavier"),
                *(
                    ConvNorm(
                        in_channels,
                        channels,
                        kernel_size=3,
                        dilation=rate,
                        act=True,
                        std="xavier",
                    )
                    for rate in rates
                ),
            ]
        )
        self.pool = ConvNorm(in_channels, channels, act=True, std="xavier")
        parts = len(self.convs) + 1
        self.project = ConvNorm(parts * channels, channels, act=True, std="xavier")
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map `x` `(B, C, H, W)` to `(B, channels, H, W)`."""
        pooled = self.pool(x.mean(dim=(2, 3), keepdim=True)).expand(-1, -1, *x.shape[2:])
        parts = [conv(x) for conv in self.convs]
        output: Tensor = self.dropout(self.project(torch.cat([*parts, pooled], dim=1)))
        return output


class LowLevelFusion(nn.Module):
    """Enlarges a map and joins it with a finer one of the backbone.

    Args:
        channels: Channels C of the map and of the output.
        finer_channels: Channels of the finer map.
        reduced_channels: Channels that the finer map is projected to.
    """

    def __init__(self, channels: int, finer_channels: int, reduced_channels: int) -> None:
        super().__init__()
        joined = channels + reduced_channels
        self.reduce = ConvNorm(finer_channels, reduced_channels, act=True)
        self.depthwise = ConvNorm(
            joined, joined, kernel_size=5, depthwise=True, act=True, std="xavier"
        )
        self.project = ConvNorm(joined, channels, act=True)

    def forward(self, x: Tensor, finer: Tensor) -> Tensor:
        """Join `x` `(B, C, h, w)` with `finer` `(B, C', H, W)`; `(B, C, H, W)`."""
        x = resize_by_width(x, (finer.shape[-2], finer.shape[-1]))
        output: Tensor = self.project(self.depthwise(torch.cat([x, self.reduce(finer)], dim=1)))
        return output


class ASPPDecoder(SemanticBranch):
    """The semantic decoder of kMaX-DeepLab, from strides 32, 8 and 4 to stride 4.

    "Panoptic-DeepLab", Cheng et al., 2020, https://arxiv.org/abs/1911.10194, section 3.1, with one
    logit more than classes, for pixels of no class.

    Args:
        specs: Channels and stride of each map, finest first; the coarsest, the third and the
            fourth from the end are used.
        num_classes: Number K of classes.
        channels: Channels of the decoder.
        reduced_channels: Channels that the maps of strides 8 and 4 are projected to.
    """

    def __init__(
        self,
        specs: Sequence[FeatureSpec],
        *,
        num_classes: int,
        channels: int,
        reduced_channels: tuple[int, int],
    ) -> None:
        super().__init__(channels, num_classes=num_classes + 1)
        self.aspp = ASPP(specs[-1].channels, channels)
        self.fusions = nn.ModuleList(
            LowLevelFusion(channels, specs[i].channels, reduced)
            for i, reduced in zip((-3, -4), reduced_channels, strict=True)
        )
        self.depthwise = ConvNorm(
            channels, channels, kernel_size=5, depthwise=True, act=True, std="xavier"
        )
        self.hidden = ConvNorm(channels, channels, act=True)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Classify cells; `(B, K + 1, h, w)` at the size of the fourth map from the end."""
        x = self.aspp(features[-1])
        for fusion, finer in zip(self.fusions, (features[-3], features[-4]), strict=True):
            x = fusion(x, finer)
        logits: Tensor = self.classifier(self.hidden(self.depthwise(x)))
        return logits

    def class_rows(self) -> ClassRows:
        """One row per class, and one for pixels of no class."""
        return ClassRows(groups=1, per_class=1, background=True)


class PlainBranch(SemanticBranch):
    """Three convolutions on the coarsest map, as published for Cityscapes.

    Args:
        specs: Channels and stride of each map, finest first; the coarsest is used.
        num_classes: Number K of classes.
        channels: Channels before the classifier.
    """

    def __init__(self, specs: Sequence[FeatureSpec], *, num_classes: int, channels: int) -> None:
        super().__init__(channels, num_classes=num_classes)
        coarsest = specs[-1].channels
        self.depthwise = ConvNorm(
            coarsest, coarsest, kernel_size=5, depthwise=True, act=True, std="xavier"
        )
        self.hidden = ConvNorm(coarsest, channels, act=True)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Classify cells; `(B, K, h, w)` at the size of the coarsest map."""
        logits: Tensor = self.classifier(self.hidden(self.depthwise(features[-1])))
        return logits

    def class_rows(self) -> ClassRows:
        """One row per class."""
        return ClassRows(groups=1, per_class=1, background=False)
