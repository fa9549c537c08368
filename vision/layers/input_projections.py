"""The maps of a pyramid that query detectors look at, all of one width.

Letters: B images, C channels of a map, D width, L maps.
"""

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from vision.contracts.features import FeatureSpec
from vision.errors import ConfigError
from vision.layers.conv_group_norm import ConvGroupNorm
from vision.ops.flat_maps import Size

# Groups of all group norms.
NORM_GROUPS = 32


class InputProjections(nn.Module):
    """A 1 x 1 convolution of each map, and coarser maps by 3 x 3 convolutions of stride 2.

    "Deformable DETR", Zhu et al., 2021, https://arxiv.org/abs/2010.04159, appendix A.4. The first
    coarser map is made of the last map as it is given, the others of the one before.

    Args:
        specs: Channels and stride of each map of the pyramid.
        dim: Width D, a multiple of 32.
        num_levels: Number L of maps that are made.
        owner: Name of the head, for the errors.
        strides: Strides of the maps that are read; None for all.

    Raises:
        ConfigError: A map is missing, or more maps are read than made.
    """

    def __init__(
        self,
        specs: Sequence[FeatureSpec],
        *,
        dim: int,
        num_levels: int,
        owner: str,
        strides: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.places = _places(specs, strides, owner)
        channels = [specs[place].channels for place in self.places]
        if num_levels < len(channels):
            known = [spec.stride for spec in specs]
            raise ConfigError(
                f"num_levels={num_levels} of {owner} is less than the {len(channels)} maps of the "
                f"pyramid, of strides {known}; set it to {len(channels)} or more, or "
                f"neck_options.strides to at most {num_levels} strides."
            )
        self.maps = nn.ModuleList(
            ConvGroupNorm(width, dim, num_groups=NORM_GROUPS, kernel_size=1) for width in channels
        )
        self.coarser = nn.ModuleList(
            ConvGroupNorm(dim if i else channels[-1], dim, num_groups=NORM_GROUPS, stride=2)
            for i in range(num_levels - len(channels))
        )
        self.reset_parameters()

    def forward(
        self, features: Sequence[Tensor], padding_of: Callable[[Size], Tensor] | None = None
    ) -> list[Tensor]:
        """Project the maps.

        Args:
            features: One map `(B, C, h, w)` per spec.
            padding_of: Gives for the height and width of a map its cells of padding, bool
                `(B, h, w)`; valid cells do not depend on them then. None if there is no padding.

        Returns:
            L maps `(B, D, h, w)`, the coarser ones last.
        """

        def padding(size: Size) -> Tensor | None:
            return None if padding_of is None else padding_of(size)

        chosen = [features[place] for place in self.places]
        maps = [
            project(x, padding((x.shape[-2], x.shape[-1])))
            for project, x in zip(self.maps, chosen, strict=True)
        ]
        last = chosen[-1]
        for project in self.coarser:
            size = (last.shape[-2], last.shape[-1])
            if padding_of is not None:
                last = last.masked_fill(padding_of(size)[:, None], 0)
            last = project(last, padding(((size[0] + 1) // 2, (size[1] + 1) // 2)))
            maps.append(last)
        return maps

    def reset_parameters(self) -> None:
        """Initialise as published: Xavier's range, no biases."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.xavier_uniform_(module.weight)
                assert module.bias is not None, "it has one"
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.GroupNorm):
                module.reset_parameters()


def _places(specs: Sequence[FeatureSpec], strides: Sequence[int] | None, owner: str) -> list[int]:
    """Where the maps that are read are in a pyramid."""
    known = [spec.stride for spec in specs]
    if strides is None:
        return list(range(len(known)))
    missing = [str(stride) for stride in strides if stride not in known]
    if missing:
        *others, last = map(str, strides)
        raise ConfigError(
            f"{owner} reads maps of strides {', '.join(others)} and {last}; the pyramid has "
            f"strides {known}, and lacks {', '.join(missing)}. Choose other out_indices of the "
            "backbone, or a neck that makes such maps."
        )
    return [known.index(stride) for stride in strides]
