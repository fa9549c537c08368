"""A fully convolutional head on one map, mostly the auxiliary one of a recipe."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vision.contracts.features import FeatureSpec
from vision.errors import ConfigError
from vision.heads.segmentation.base import PixelClassifier
from vision.layers.conv_norm import ConvNormAct


class FCNHead(PixelClassifier):
    """Convolutions on one map, and the classifier.

    "Fully Convolutional Networks for Semantic Segmentation", Long et al., 2015,
    https://arxiv.org/abs/1411.4038, section 3, as in mmsegmentation, which has no learnt
    up-sampling. A head like it on a map in mid-network helps training: "Pyramid Scene Parsing
    Network", Zhao et al., 2017, https://arxiv.org/abs/1612.01105, section 3.3.

    Args:
        specs: Channels and stride of each map that the head gets.
        num_classes: Number K of classes, at most 255.
        channels: Channels of the convolutions.
        num_convs: Number of convolutions; without any, the map needs `channels` channels.
        kernel_size: Side of their kernels, odd.
        concat_input: Whether one more convolution merges their result and the map.
        dropout: Probability of dropping a channel before the classifier in training.
        align_corners: Of bilinear resizing; see `SegmentationHead`.
        in_index: Which of the maps it works on; -1 is the last, coarsest.

    Raises:
        ConfigError: There is no such map, or an option is out of its range.
    """

    def __init__(
        self,
        specs: Sequence[FeatureSpec],
        *,
        num_classes: int,
        channels: int = 256,
        num_convs: int = 1,
        kernel_size: int = 3,
        concat_input: bool = False,
        dropout: float = 0.1,
        align_corners: bool = False,
        in_index: int = -1,
    ) -> None:
        _check(
            specs,
            channels=channels,
            num_convs=num_convs,
            kernel_size=kernel_size,
            in_index=in_index,
        )
        in_channels, stride = specs[in_index]
        super().__init__(
            channels,
            num_classes=num_classes,
            stride=stride,
            dropout=dropout,
            align_corners=align_corners,
        )
        self.in_index = in_index
        self.convs = nn.ModuleList(
            ConvNormAct(in_channels if i == 0 else channels, channels, kernel_size=kernel_size)
            for i in range(num_convs)
        )
        self.concat = (
            ConvNormAct(in_channels + channels, channels, kernel_size=kernel_size)
            if concat_input
            else None
        )
        self.reset_parameters()

    def merge(self, features: Sequence[Tensor]) -> Tensor:
        """Convolve the map at `in_index`.

        Args:
            features: One map `(B, C, h, w)` per spec.

        Returns:
            The map `(B, channels, h, w)` that is classified.
        """
        x = features[self.in_index]
        convolved = x
        for conv in self.convs:
            convolved = conv(convolved)
        return convolved if self.concat is None else self.concat(torch.cat([x, convolved], dim=1))


def _check(
    specs: Sequence[FeatureSpec], *, channels: int, num_convs: int, kernel_size: int, in_index: int
) -> None:
    if not -len(specs) <= in_index < len(specs):
        raise ConfigError(
            f"in_index={in_index} is not an index of the {len(specs)} maps that FCNHead gets."
        )
    if num_convs < 0:
        raise ConfigError(f"num_convs is 0 or more; got {num_convs}.")
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise ConfigError(f"kernel_size is odd and positive; got {kernel_size}.")
    if num_convs == 0 and specs[in_index].channels != channels:
        given = specs[in_index].channels
        raise ConfigError(
            f"without convolutions FCNHead classifies the map as it is, of {given} channels; set "
            f"channels={given} in place of "
            f"{channels}, or num_convs to 1 or more."
        )
