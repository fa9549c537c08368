"""The decoder of Swin UNETR: residual convolutions on the skips, and up to the volume's size.

"Swin UNETR", Hatamizadeh et al., 2022, https://arxiv.org/abs/2201.01266, section 3.2. Code:
`SwinUNETR` of Project-MONAI/MONAI (Apache-2.0).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vision.contracts.features import ClassRows, VolumeSpec
from vision.contracts.volumes import VolumeOutputs
from vision.errors import ConfigError
from vision.layers.instance_norm import works_on_rows
from vision.layers.residual_conv import CONVS, ResidualConv, enlarge, pointwise

TRANSPOSED: dict[int, type[nn.ConvTranspose2d] | type[nn.ConvTranspose3d]] = {
    2: nn.ConvTranspose2d,
    3: nn.ConvTranspose3d,
}


class UpBlock(nn.Module):
    """Enlarge a map to the size of a finer one, and convolve both together.

    Args:
        in_channels: Channels of the map.
        out_channels: Channels of the finer map and of the result.
        scale: Cells of the finer map per cell along each axis.
    """

    def __init__(self, in_channels: int, out_channels: int, *, scale: Sequence[int]) -> None:
        super().__init__()
        axes, sides = len(scale), tuple(scale)
        conv = TRANSPOSED[axes]
        self.up = conv(in_channels, out_channels, kernel_size=sides, stride=sides, bias=False)  # type: ignore[arg-type]
        self.block = ResidualConv(2 * out_channels, out_channels, axes=axes)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Map `(B, C_in, *coarse)` and `(B, C_out, *fine)` to `(B, C_out, *fine)`."""
        return self.block(enlarge(x, self.up.weight), skip)


class SwinUNETRHead(nn.Module):
    """Logits at the size of a volume from the maps of an encoder and the volume itself.

    Sides are multiples of the coarsest stride, and more than one cell is left there: instance norm
    of a single value is undefined. `vision.heads.volumes.padding` pads volumes of any size.

    Args:
        feature_specs: Channels and stride of each map, finest first, at least two.
        in_channels: Channels C of the volume.
        num_outputs: Number K of regions or classes.
        deep_supervision: Number of coarser maps of the decoder that also give logits in training.

    Raises:
        ConfigError: An option is out of its range.
    """

    def __init__(
        self,
        feature_specs: Sequence[VolumeSpec],
        *,
        in_channels: int,
        num_outputs: int,
        deep_supervision: int = 0,
    ) -> None:
        super().__init__()
        _check_options(feature_specs, num_outputs, deep_supervision)
        axes = len(feature_specs[0].stride)
        self.num_outputs, self.strides = num_outputs, [spec.stride for spec in feature_specs]
        widths = [spec.channels for spec in feature_specs]
        # The volume itself comes first, with the channels of the finest map after its block.
        fine = [(in_channels, widths[0]), *((width, width) for width in widths[:-2])]
        self.skips = nn.ModuleList(ResidualConv(*pair, axes=axes) for pair in fine)
        # The second coarsest map is a skip as it is.
        self.bottleneck = ResidualConv(widths[-1], widths[-1], axes=axes)
        targets = [widths[0], *widths[:-1]]
        strides = [(1,) * axes, *self.strides]
        self.ups = nn.ModuleList()
        for i in reversed(range(len(widths))):
            steps = zip(strides[i + 1], strides[i], strict=True)
            scale = [coarse // finer for coarse, finer in steps]
            self.ups.append(UpBlock(widths[i], targets[i], scale=scale))
        conv = CONVS[axes]
        self.out = conv(widths[0], num_outputs, kernel_size=1)
        chosen = targets[1 : 1 + deep_supervision]
        self.deeper = nn.ModuleList(conv(width, num_outputs, kernel_size=1) for width in chosen)

    def forward(self, features: Sequence[Tensor], volumes: Tensor) -> VolumeOutputs:
        """Give each cell of the volumes its logits.

        Args:
            features: One map `(B, C, *size / stride)` per spec, finest first.
            volumes: `(B, C, *size)`, sides multiples of the coarsest stride.

        Returns:
            Logits `(B, K, *size)`; in training also those of coarser maps, if there are any.
        """
        self.check_size(volumes.shape[2:])
        if works_on_rows(volumes):
            # As the encoder's maps are, and convolutions pass it on.
            shape = torch.channels_last_3d if volumes.ndim == 5 else torch.channels_last
            volumes = volumes.contiguous(memory_format=shape)
        skips = [volumes, *features[:-2]]
        x = self.bottleneck(features[-1])
        coarse = []
        for i, up in zip(reversed(range(len(features))), self.ups, strict=True):
            # Each skip is convolved when it is needed, so that few are held at a time.
            skip = self.skips[i](skips[i]) if i < len(skips) else features[i - 1]
            x = up(x, skip)
            if self.training and 0 < i <= len(self.deeper):
                coarse.append(_classify(x, self.deeper[i - 1]))
        outputs: VolumeOutputs = {"logits": _classify(x, self.out)}
        if coarse:
            outputs["deeper"] = coarse[::-1]
        return outputs

    def check_size(self, size: Sequence[int]) -> None:
        """Raise a `ConfigError` for volumes of a size that the decoder cannot restore."""
        coarsest = self.strides[-1]
        cells = 1
        for side, stride in zip(size, coarsest, strict=True):
            cells *= side // stride if side % stride == 0 else 0
        if cells < 2:
            raise ConfigError(
                f"a volume of {tuple(size)} cells does not fit the strides {coarsest}: each side "
                "must be a multiple, and one of them more than once. Run the network by "
                "vision.heads.volumes.padding.padded_outputs, which pads any size."
            )

    def class_rows(self) -> dict[str, ClassRows]:
        """The parameters that have rows for classes, by their name within the head."""
        layers = ["out", *(f"deeper.{i}" for i in range(len(self.deeper)))]
        names = [f"{layer}.{part}" for layer in layers for part in ("weight", "bias")]
        return dict.fromkeys(names, ClassRows(groups=1, per_class=1, background=False))

    def reset_parameters(self) -> None:
        """Fill all layers with PyTorch's initial values, as MONAI has them."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d | nn.ConvTranspose3d):
                module.reset_parameters()


def _classify(x: Tensor, layer: nn.Module) -> Tensor:
    """The logits of a map, in memory as volumes are: outputs before cells."""
    weight, bias = layer.get_parameter("weight"), layer.get_parameter("bias")
    return pointwise([x], weight, bias).contiguous()


def _check_options(
    feature_specs: Sequence[VolumeSpec], num_outputs: int, deep_supervision: int
) -> None:
    if len(feature_specs) < 2:
        raise ConfigError(f"SwinUNETRHead needs at least two maps; got {len(feature_specs)}.")
    if not isinstance(feature_specs[0].stride, tuple):
        raise ConfigError(
            "SwinUNETRHead accepts the maps of an encoder of volumes, such as 'swin_volume_48'; "
            "these are maps of images."
        )
    if num_outputs < 1:
        raise ConfigError(f"num_outputs={num_outputs} must be at least 1.")
    if not 0 <= deep_supervision < len(feature_specs):
        raise ConfigError(
            f"deep_supervision={deep_supervision} must be 0 to {len(feature_specs) - 1}: the "
            "number of coarser maps of the decoder."
        )
