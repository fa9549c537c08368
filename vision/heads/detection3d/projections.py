"""The maps of a pyramid that MonoDETR looks at, all of one width.

Letters: D width, L maps.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from vision.contracts.features import FeatureSpec
from vision.errors import ConfigError
from vision.layers.conv_group_norm import ConvGroupNorm

# Strides of the maps that are read; one more map follows, of twice the last stride.
STRIDES = (8, 16, 32)
# Groups of all group norms.
NORM_GROUPS = 32


class InputProjections(nn.Module):
    """A 1 x 1 convolution of each map, and a coarser map from the last one.

    "Deformable DETR", Zhu et al., 2021, https://arxiv.org/abs/2010.04159.

    Args:
        specs: Channels and stride of each map of the pyramid; those of `STRIDES` are read.
        dim: Width D, a multiple of 32.

    Raises:
        ConfigError: A map is missing.
    """

    def __init__(self, specs: Sequence[FeatureSpec], *, dim: int) -> None:
        super().__init__()
        strides = [spec.stride for spec in specs]
        missing = [str(stride) for stride in STRIDES if stride not in strides]
        if missing:
            raise ConfigError(
                "MonoDETRHead reads maps of strides 8, 16 and 32; the pyramid has strides "
                f"{strides}, and lacks {', '.join(missing)}. Choose other out_indices of the "
                "backbone, or a neck that makes such maps."
            )
        self.places = [strides.index(stride) for stride in STRIDES]
        channels = [specs[place].channels for place in self.places]
        self.maps = nn.ModuleList(
            ConvGroupNorm(width, dim, num_groups=NORM_GROUPS, kernel_size=1) for width in channels
        )
        self.coarsest = ConvGroupNorm(channels[-1], dim, num_groups=NORM_GROUPS, stride=2)
        self.reset_parameters()

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Project the maps.

        Args:
            features: One map `(B, C, h, w)` per spec.

        Returns:
            L maps `(B, D, h, w)` of strides 8, 16, 32 and 64.
        """
        chosen = [features[place] for place in self.places]
        maps = [project(x) for project, x in zip(self.maps, chosen, strict=True)]
        return [*maps, self.coarsest(chosen[-1])]

    def reset_parameters(self) -> None:
        """Initialise as published: Xavier's range, no biases."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.xavier_uniform_(module.weight)
                assert module.bias is not None, "it has one"
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.GroupNorm):
                module.reset_parameters()
