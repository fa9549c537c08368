"""Base classes of the heads of semantic segmentation."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vision.contracts.features import ClassRows, FeatureSpec
from vision.contracts.segmentation import IGNORED, SegmentationOutputs, SegmentationPrediction
from vision.errors import ConfigError
from vision.layers.conv_norm import ConvNormAct, ResizedConvNormAct
from vision.ops.interpolation import resize_bilinear


class SegmentationHead(nn.Module, ABC):
    """A head that gives each cell of a map the logits of the classes.

    Its forward accepts the list of maps `(B, C, h, w)` that it was built for, finest first, and
    returns `SegmentationOutputs`.

    Args:
        num_classes: Number K of classes, at most 255: label 255 means no class.
        stride: Image pixels per cell of the logits along each axis.
        align_corners: Whether bilinear resizing lets the centres of the corner cells fall together
            (`F.interpolate`); of the maps within the head and of its logits alike.

    Raises:
        ConfigError: The number of classes is out of its range.
    """

    def __init__(self, *, num_classes: int, stride: int, align_corners: bool = False) -> None:
        super().__init__()
        if not 1 <= num_classes <= IGNORED:
            raise ConfigError(
                f"num_classes is 1 to {IGNORED}, as label {IGNORED} means no class; got "
                f"{num_classes}."
            )
        self.num_classes, self.stride, self.align_corners = num_classes, stride, align_corners

    @abstractmethod
    def forward(self, features: Sequence[Tensor]) -> SegmentationOutputs:
        """Give each cell the logits of the classes."""

    @abstractmethod
    def class_rows(self) -> dict[str, ClassRows]:
        """The parameters that have rows for classes, by their name within the head."""

    @torch.no_grad()
    def predict(
        self,
        outputs: SegmentationOutputs,
        sizes: Tensor,
        original_sizes: Tensor | None = None,
    ) -> list[SegmentationPrediction]:
        """Class of each pixel of whole images.

        As in mmsegmentation, logits are resized to the pixels of the batch, cut to the valid image,
        and resized again to the size of the file; the highest one is the class. All of this is in
        float32. The batch must be padded no further than to the largest height and width in it.

        The network sees padding: a padded image may get other classes than without. Images of one
        size have none.

        Args:
            outputs: What the head returned for a batch.
            sizes: int64 `(B, 2)` valid height and width of each image in the batch.
            original_sizes: int64 `(B, 2)` height and width of each file; None leaves masks in
                pixels of the valid images.

        Returns:
            The mask of each image.
        """
        logits = outputs["logits"].float()
        valid = [(height, width) for height, width in sizes.tolist()]
        wanted = valid
        if original_sizes is not None:
            wanted = [(height, width) for height, width in original_sizes.tolist()]
        padded = (max(height for height, _ in valid), max(width for _, width in valid))
        if set(valid) == {padded} and len(set(wanted)) == 1:
            masks = self._resize(self._resize(logits, padded), wanted[0]).argmax(dim=1)
            return [{"mask": mask} for mask in masks]
        predictions: list[SegmentationPrediction] = []
        for image, (height, width), size in zip(logits.split(1), valid, wanted, strict=True):
            image = self._resize(image, padded)[..., :height, :width]
            predictions.append({"mask": self._resize(image, size).argmax(dim=1)[0]})
        return predictions

    def _resize(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        """Bilinear resize of a map, in the head and of its logits."""
        return resize_bilinear(x, size, align_corners=self.align_corners)


class PixelClassifier(SegmentationHead):
    """A head that ends in one linear layer, the same at each cell of one map.

    In training whole channels of the map are dropped before it, as in mmsegmentation.

    Args:
        channels: Channels of the map that is classified.
        num_classes: Number K of classes, at most 255.
        stride: Image pixels per cell of that map along each axis.
        dropout: Probability of dropping a channel in training.
        align_corners: As for `SegmentationHead`.

    Raises:
        ConfigError: The number of classes is out of its range.
    """

    def __init__(
        self,
        channels: int,
        *,
        num_classes: int,
        stride: int,
        dropout: float = 0.1,
        align_corners: bool = False,
    ) -> None:
        super().__init__(num_classes=num_classes, stride=stride, align_corners=align_corners)
        self.dropout = nn.Dropout2d(dropout)
        self.classifier = nn.Conv2d(channels, num_classes, 1)

    @abstractmethod
    def merge(self, features: Sequence[Tensor]) -> Tensor:
        """Make the map `(B, channels, h, w)` that is classified, of `stride`."""

    def forward(self, features: Sequence[Tensor]) -> SegmentationOutputs:
        """Give each cell the logits of the classes.

        Args:
            features: One map `(B, C, h, w)` per spec, finest first.

        Returns:
            Logits `(B, K, h, w)` at the stride of the head.
        """
        return {"logits": self.classifier(self.dropout(self.merge(features)))}

    def reset_parameters(self) -> None:
        """Initialise the parameters, as mmsegmentation does."""
        for module in self.modules():
            if isinstance(module, ConvNormAct | ResizedConvNormAct):
                module.reset_parameters()
        nn.init.normal_(self.classifier.weight, std=0.01)
        nn.init.zeros_(self.classifier.bias)  # type: ignore[arg-type]

    def class_rows(self) -> dict[str, ClassRows]:
        """The last layer has one row per class."""
        rows = ClassRows(groups=1, per_class=1, background=False)
        return {"classifier.weight": rows, "classifier.bias": rows}


def check_specs(specs: Sequence[FeatureSpec], head: str) -> None:
    """Check that a head was given maps, finest first.

    Args:
        specs: Channels and stride of each map.
        head: Name of the head in the message.

    Raises:
        ConfigError: There is none, or a map is finer than the one before it.
    """
    strides = [spec.stride for spec in specs]
    if not strides or strides != sorted(strides):
        raise ConfigError(
            f"{head} accepts one map or more, finest first, such as maps of strides 4, 8, 16 and "
            f"32; got strides {strides}."
        )
