"""The mask head of two-stage detectors.

R counts boxes.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from vision.contracts.features import ClassRows

POOL_SIZE = 14  # cells along each side of the grid that is pooled for a box
MASK_SIZE = 2 * POOL_SIZE  # cells along each side of a mask


class MaskHead(nn.Module):
    """A small fully convolutional network on the features of a box.

    "Mask R-CNN", He et al., 2017, Figure 4, right: four 3 x 3 convolutions, a 2 x 2 transposed
    convolution, and a 1 x 1 convolution to one map per class.

    Args:
        in_channels: Channels of the pooled features.
        num_classes: Number of classes K.
        channels: Channels of the convolutions.
    """

    def __init__(self, in_channels: int, *, num_classes: int, channels: int = 256) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv2d(channels if i else in_channels, channels, 3, padding=1) for i in range(4)
        )
        self.upsample = nn.ConvTranspose2d(channels, channels, 2, stride=2)
        self.logits = nn.Conv2d(channels, num_classes, 1)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise the parameters, as published."""
        for layer in (*self.convs, self.upsample, self.logits):
            assert isinstance(layer, nn.Conv2d | nn.ConvTranspose2d), "all are convolutions"
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            assert layer.bias is not None, "all have a bias"
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Logits `(R, K, 28, 28)` for features `(R, C, 14, 14)`."""
        for conv in self.convs:
            x = F.relu(conv(x))
        return self.logits(F.relu(self.upsample(x)))

    def class_rows(self) -> dict[str, ClassRows]:
        """See `DetectionHead.class_rows`; names are those within the mask head."""
        return {f"logits.{name}": ClassRows(1, 1, False) for name in ("weight", "bias")}
