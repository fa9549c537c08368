"""Our backbones as modules of mmengine, for configs of mmsegmentation."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from mmengine.model import BaseModule
from torch import Tensor

from vision.backbones.registry import FAMILIES, create_backbone, families_of
from vision.errors import ConfigError
from vision.necks.pyramid import complete_pyramid, used_maps
from vision.weights.load import load_weights

STRIDES = (4, 8, 16, 32)


class FourMaps(BaseModule):
    """A backbone that returns the maps mmsegmentation expects: of stride 4, 8, 16 and 32.

    Missing strides are added by trained layers, as for our own heads (`vision.necks.pyramid`).
    The channels of the maps are in `feature_specs`. mmsegmentation's data preprocessor normalises
    images in 0..255; the backbone's `default_input` gives mean and deviation for RGB in [0, 1].

    Args:
        variant: A published size, with or without the family: `"cswin_tiny"` or `"tiny"`; for
            `vision.Timm` the name of a timm model. None builds from `options` only.
        pretrained: True loads the published weights, a string a file; see
            `vision.create_backbone`.
        out_indices: Which of the four maps to return, the last one among them.
        with_cp: Whether to recompute activations in the backward pass, to save memory.
        init_cfg: `dict(type="Pretrained", checkpoint=PATH)` loads a file that `vision.load_weights`
            can read when mmengine initialises the model. No code in it is run.
        options: Keyword arguments of the backbone, such as `drop_path_rate` and `out_norm`.

    Attributes:
        backbone: The backbone itself.
        feature_specs: Channels and stride of each map, finest first.

    Raises:
        ConfigError: The variant or an option is unknown, or a value is not allowed.
        WeightsError: The weights cannot be found or do not fit.
    """

    family: ClassVar[str]

    def __init__(
        self,
        variant: str | None = None,
        *,
        pretrained: bool | str = False,
        out_indices: Sequence[int] = (0, 1, 2, 3),
        with_cp: bool = False,
        init_cfg: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(dict(init_cfg) if init_cfg else None)
        self.checkpoint = _checkpoint_of(init_cfg)
        if self.checkpoint and pretrained:
            raise ConfigError("pretrained and init_cfg both name weights. Leave one of them out.")
        # Without the parts that only classification uses, every parameter gets a gradient.
        options = {"dense": True, **options}
        self.backbone = create_backbone(self._name_of(variant), pretrained=pretrained, **options)
        self.backbone.set_grad_checkpointing(with_cp)
        strides = _strides_of(out_indices)
        self.backbone.keep_outputs(used_maps(self.backbone.feature_specs, strides))
        self.pyramid = complete_pyramid(self.backbone.feature_specs, strides)
        self.feature_specs = self.pyramid.feature_specs

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Compute the maps.

        Args:
            images: `(B, C_in, H, W)` float, normalised.

        Returns:
            One map `(B, spec.channels, ~H / spec.stride, ~W / spec.stride)` per spec.
        """
        return tuple(self.pyramid(self.backbone(images)))

    def init_weights(self) -> None:
        """Load the file of `init_cfg`; everything else is initialised in the constructor."""
        if self.checkpoint:
            load_weights(self.backbone, self.checkpoint)
        self._is_init = True

    def _name_of(self, variant: str | None) -> str:
        if self.family == "timm":
            if variant is None:
                raise ConfigError(
                    "vision.Timm needs the name of a model: dict(type='vision.Timm', "
                    "variant='resnet50')."
                )
            return f"timm/{variant.removeprefix('timm/')}"
        if variant is None or variant == self.family:
            return self.family
        return f"{self.family}_{variant.removeprefix(self.family + '_')}"


def _strides_of(out_indices: Sequence[int]) -> list[int]:
    indices = list(out_indices)
    ascending = indices == sorted(set(indices))
    if not ascending or not indices or indices[0] < 0 or indices[-1] != len(STRIDES) - 1:
        raise ConfigError(
            f"out_indices must be ascending, in 0..3, and include 3; got {indices}. A head takes "
            "fewer maps with its in_index."
        )
    return [STRIDES[i] for i in indices]


def _checkpoint_of(init_cfg: Mapping[str, Any] | None) -> str | None:
    if init_cfg is None:
        return None
    known = {"type", "checkpoint"}
    if init_cfg.get("type") != "Pretrained" or init_cfg.keys() != known:
        raise ConfigError(
            f"init_cfg={dict(init_cfg)} is not possible for a backbone of vision: expected "
            "dict(type='Pretrained', checkpoint=PATH), or None for the published initialisation."
        )
    return init_cfg["checkpoint"]


def _family(name: str, family: str) -> type[FourMaps]:
    return type(name, (FourMaps,), {"family": family, "__doc__": FourMaps.__doc__})


# Name in a config, after "vision.", and class.
BACKBONES: dict[str, type[FourMaps]] = {
    name: _family(name, family)
    for name, family in (
        *((FAMILIES[family].path.partition(":")[2], family) for family in families_of("image")),
        ("Timm", "timm"),
    )
}
