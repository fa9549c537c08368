"""The depth of each cell of a map, by bins, in MonoDETR.

Letters: D width, N bins, h x w cells of stride 16.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vision.layers.conv_group_norm import ConvGroupNorm
from vision.layers.input_projections import NORM_GROUPS
from vision.ops.boxes import at_least_float32
from vision.ops.depth_bins import DepthBins
from vision.ops.interpolation import resize_bilinear


class DepthPredictor(nn.Module):
    """Classifies the depth of each cell from the mean of three maps.

    "MonoDETR", Zhang et al., 2023, https://arxiv.org/abs/2203.13310.

    Args:
        dim: Width D.
        bins: The bins of depth.
    """

    bin_values: Tensor

    def __init__(self, dim: int, *, bins: DepthBins) -> None:
        super().__init__()
        self.bins = bins
        self.fine = ConvGroupNorm(dim, dim, num_groups=NORM_GROUPS, stride=2)
        self.middle = ConvGroupNorm(dim, dim, num_groups=NORM_GROUPS, kernel_size=1)
        self.coarse = ConvGroupNorm(dim, dim, num_groups=NORM_GROUPS, kernel_size=1)
        self.convs = nn.ModuleList(
            ConvGroupNorm(dim, dim, num_groups=NORM_GROUPS, act=True) for _ in range(2)
        )
        self.classifier = nn.Conv2d(dim, bins.count + 1, 1)
        # They are in the authors' checkpoints, too.
        self.register_buffer("bin_values", bins.values())

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Predict depth.

        Args:
            maps: `(B, D, h', w')` of strides 8, 16 and 32.

        Returns:
            The features `(B, D, h, w)` that were classified, the logits `(B, N + 1, h, w)` before
            the softmax, and the expected depth `(B, h, w)` in metres, in float32 at least.
        """
        size = (maps[1].shape[-2], maps[1].shape[-1])
        # Maps of odd sides may differ by a row or a column.
        fine = resize_bilinear(self.fine(maps[0]), size)
        coarse = self.coarse(resize_bilinear(maps[2], size))
        x = (fine + self.middle(maps[1]) + coarse) / 3
        for conv in self.convs:
            x = conv(x)
        logits = self.classifier(x)
        shares = at_least_float32(logits).softmax(dim=1)
        return x, logits, torch.einsum("bnhw,n->bhw", shares, self.bin_values.to(shares.dtype))

    def reset_parameters(self) -> None:
        """Initialise the parameters, with PyTorch's own rules for each layer."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.GroupNorm):
                module.reset_parameters()
        self.bin_values.copy_(self.bins.values())
