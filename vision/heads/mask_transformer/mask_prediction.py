"""Masks of queries over a map, and their classes."""

import math
from abc import ABC, abstractmethod
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vision.heads.mask_transformer.conv_norm import ConvNorm, init_truncated, make_norm
from vision.layers.conv_norm import batch_norm
from vision.ops.mask_predictions import MaskPredictions, QueryMasks
from vision.options import check_number

Predictions = TypeVar("Predictions", bound=QueryMasks)

# Initial scale of the norm over mask logits, as published.
MASK_SCALE = 0.1
# Initial deviation of the weights of classes, as published.
CLASS_STD = 0.01
# Probability of "no object" at the start of training, when all other logits are near 0.
VOID_PRIOR = 0.9


class MaskKernels(nn.Module, ABC, Generic[Predictions]):
    """The masks of queries over a map: the product of a kernel per query with pixel features.

    As in "k-means Mask Transformer", Yu et al., 2022, https://arxiv.org/abs/2207.04044: features
    of unit length, and one norm over all mask logits.

    Args:
        pixel_channels: Channels P of the map.
        query_channels: Channels D of a query.
        hidden_channels: Channels of the layer before the pixel features.
        mask_channels: Channels C of pixel features and kernels.
        mask_scale: Initial scale of the norm, above 0.

    Raises:
        ConfigError: The scale is out of its range.
    """

    def __init__(
        self,
        pixel_channels: int,
        query_channels: int,
        *,
        hidden_channels: int,
        mask_channels: int,
        mask_scale: float = MASK_SCALE,
    ) -> None:
        super().__init__()
        self.depthwise = ConvNorm(
            pixel_channels, pixel_channels, kernel_size=5, depthwise=True, act=True, std="xavier"
        )
        self.hidden = ConvNorm(pixel_channels, hidden_channels, act=True)
        self.features = ConvNorm(hidden_channels, mask_channels, bias=True, std=0.01)
        self.kernels = ConvNorm(query_channels, mask_channels, dims=1)
        check_number("mask_scale", mask_scale, above=0)
        self.mask_norm, self.mask_scale = make_norm(1, dims=2), mask_scale
        nn.init.constant_(self.mask_norm.weight, mask_scale)

    @abstractmethod
    def forward(self, pixels: Tensor, value_queries: Tensor, mask_queries: Tensor) -> Predictions:
        """Predict masks, and what else is known of each query."""

    def masks(self, pixels: Tensor, queries: Tensor) -> QueryMasks:
        """Predict masks.

        Args:
            pixels: `(B, P, h, w)`.
            queries: `(B, D, N)`, the queries that kernels are made of.
        """
        features = self.features(self.hidden(self.depthwise(pixels)))
        features = F.normalize(features, dim=1)
        masks = torch.einsum("bchw,bcn->bnhw", features, self.kernels(queries))
        masks = batch_norm(self.mask_norm, masks.flatten(1)[:, None, None]).view_as(masks)
        return {"mask_logits": masks, "pixel_features": features}

    def reset_parameters(self) -> None:
        """Initialise the layers that are not reset by themselves."""
        nn.init.constant_(self.mask_norm.weight, self.mask_scale)


class MaskPrediction(MaskKernels[MaskPredictions]):
    """Predicts the class of each query and its mask.

    Args:
        pixel_channels: Channels P of the map.
        query_channels: Channels D of a query.
        hidden_channels: Channels of the layer before the pixel features.
        mask_channels: Channels C of pixel features and kernels.
        num_classes: Number K of classes, without "no object".
        mask_scale: As for `MaskKernels`.
        class_std: Initial standard deviation of the weights of classes, above 0.

    Raises:
        ConfigError: The scale or the deviation is out of its range.
    """

    def __init__(
        self,
        pixel_channels: int,
        query_channels: int,
        *,
        hidden_channels: int,
        mask_channels: int,
        num_classes: int,
        mask_scale: float = MASK_SCALE,
        class_std: float = CLASS_STD,
    ) -> None:
        super().__init__(
            pixel_channels,
            query_channels,
            hidden_channels=hidden_channels,
            mask_channels=mask_channels,
            mask_scale=mask_scale,
        )
        check_number("class_std", class_std, above=0)
        self.class_std = class_std
        self.classes = nn.Conv1d(query_channels, num_classes + 1, 1)
        # Not a part of the last layer's bias: weights of other numbers of classes keep theirs.
        self.void_bias = math.log(num_classes * VOID_PRIOR / (1 - VOID_PRIOR))
        self.reset_parameters()

    def forward(
        self, pixels: Tensor, value_queries: Tensor, mask_queries: Tensor
    ) -> MaskPredictions:
        """Predict classes and masks.

        Args:
            pixels: `(B, P, h, w)`.
            value_queries: `(B, D, N)`, the queries that are classified.
            mask_queries: `(B, D, N)`, the queries that kernels are made of.
        """
        masks = self.masks(pixels, mask_queries)
        logits = self.classes(value_queries).transpose(1, 2)  # (B, N, K + 1)
        classes, void = logits[..., :-1], logits[..., -1:]
        return {"class_logits": torch.cat([classes, void + self.void_bias], dim=-1), **masks}

    def reset_parameters(self) -> None:
        """Initialise the layers that are not reset by themselves."""
        super().reset_parameters()
        init_truncated(self.classes.weight, std=self.class_std)
        nn.init.zeros_(self.classes.bias)  # type: ignore[arg-type]
