"""Any timm model as a backbone.

timm (PyTorch Image Models), Wightman, 2019, https://github.com/huggingface/pytorch-image-models.
One timm model serves both outputs: its intermediate maps are the pyramid, and what it feeds to its
last linear layer is the embedding.
"""

import re
from fnmatch import fnmatchcase
from typing import Any

import timm
from timm.data import resolve_data_config
from timm.models import group_parameters
from torch import Tensor, nn
from torch.nn import functional as F

from vision.backbones.base import Backbone, BackboneOptions
from vision.backbones.encoder import MemoryMode
from vision.contracts.features import FeatureSpec, InputSpec
from vision.errors import ConfigError, WeightsError, suggest
from vision.keywords import Unpack
from vision.options import Range, check_ranges
from vision.weights.download import cached, check_network

# Options that let a model of a fixed size accept others; the first set that its constructor has.
_SIZE_OPTIONS: tuple[dict[str, Any], ...] = (
    {"dynamic_img_size": True, "dynamic_img_pad": True},
    {"dynamic_img_size": True},
    {"strict_img_size": False},
)
_MOMENTUM = Range(above=0, maximum=1, optional=True)
# Name of an architecture and, after a dot, the tag of its weights.
_NAME = re.compile(r"\w+(\.\w+)?", re.ASCII)
# Models whose code fails on images that do not fill every cell of their coarsest map.
_WHOLE_CELLS = (
    *("csatv2", "deepseek_vit", "dla", "gemma4_vit", "hieradet", "hrnet", "naflexvit"),
    *("qwen3_vit", "sam2_hiera", "tresnet"),
)


class TimmBackbone(Backbone):
    """A timm model as a backbone; maps as timm's `feature_info` describes them.

    Models whose levels all have one stride (plain vision transformers) give the map of their last
    block by default, all others the maps of all their levels. Images that a model cannot take as
    they are get padded with zeros, right and bottom, and the maps cut to `ceil(side / stride)`.

    Args:
        name: Name of a timm model, with or without the tag of its weights
            (`"resnet18.a1_in1k"`).
        pretrained: True loads the weights that timm names; a string is a path,
            `"hf://owner/repo[/file]"` or URL of weights.
        img_size: Height and width, or side, that the model is built for; timm's choice if None.
        norm_eps: Epsilon of its batch norms, such as 1e-3 for weights of DeepLab2; timm's choice if
            None.
        norm_momentum: Share of each batch in their averages; timm's choice if None.
        **options: Keywords that all backbones have: see `Backbone`. Levels are counted as timm
            counts them, `out_norm` is not available, since timm has no weights for it, and
            `default_input` is timm's description if None.

    Raises:
        ConfigError: The name or an option is not one that timm has for this model.
        WeightsError: timm could not load the weights.
    """

    runs_blocks = False
    family = "timm"

    def __init__(
        self,
        name: str,
        *,
        pretrained: bool | str = False,
        img_size: int | tuple[int, int] | None = None,
        norm_eps: float | None = None,
        norm_momentum: float | None = None,
        **options: Unpack[BackboneOptions],
    ) -> None:
        super().__init__(**options)
        if options.get("out_norm"):
            raise ConfigError(
                f"timm/{name}: out_norm=True is not available: timm publishes no norms for dense "
                "prediction. Leave it out."
            )
        own: dict[str, Any] = {"in_chans": self.in_channels, "num_classes": 0}
        if self._drop_path_rate:
            own["drop_path_rate"] = self._drop_path_rate
        if img_size is not None:
            own["img_size"] = img_size
        model, size_options = _build(name, own, pretrained=pretrained is True)
        config = model.pretrained_cfg
        if options.get("default_input") is None:
            self.default_input = _input_spec(config, img_size)

        specs = [FeatureSpec(info["num_chs"], info["reduction"]) for info in model.feature_info]
        one_stride = len({spec.stride for spec in specs}) == 1
        self.choose_outputs(len(specs), what="levels", default=(-1,) if one_stride else None)
        self.set_outputs(specs, None)
        self.embed_dim = model.head_hidden_size
        self.name = name
        self.pad_to = _padding(model, size_options, config)
        if self.dense:
            model.prune_intermediate_layers(self.out_indices, prune_norm=True, prune_head=True)
        _set_norms(model, eps=norm_eps, momentum=norm_momentum)
        self.model: Any = model
        first = config.get("first_conv")
        self.input_conv = f"model.{first}.weight" if isinstance(first, str) else None
        if isinstance(pretrained, str):
            from vision.weights.load import load_weights

            load_weights(self, pretrained)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Maps `(B, C, ceil(H / stride), ceil(W / stride))`, or as timm's model rounds."""
        self.check_images(images)
        return self._maps(images, self.out_indices)

    def embed(self, images: Tensor) -> Tensor:
        """What timm feeds to its last linear layer: `(B, C_in, H, W)` to `(B, embed_dim)`."""
        self.check_can_embed()
        self.check_images(images)
        features = self.model.forward_features(self._pad(images))
        return self.model.forward_head(features, pre_logits=True)

    def forward_stages(
        self, images: Tensor, count: int, *, classifier: bool = False
    ) -> list[Tensor]:
        """Maps `(B, C, H, W)` of timm's first `count` levels; both variants are the same."""
        return self._maps(images, list(range(count)))

    def no_weight_decay(self) -> set[str]:
        """The parameters that timm exempts; its list may hold patterns."""
        exempt: set[str] = getattr(self.model, "no_weight_decay", set)()
        names = (name for name, _ in self.model.named_parameters())
        return {
            f"model.{name}" for name in names if any(fnmatchcase(name, rule) for rule in exempt)
        }

    def block_prefixes(self) -> list[list[str]]:
        """The groups of parameters that timm makes, stem first."""
        if not hasattr(self.model, "group_matcher"):
            return [["model"]]
        groups = group_parameters(self.model, self.model.group_matcher(coarse=False))
        return [[f"model.{name}" for name in groups[level]] for level in sorted(groups)]

    def set_memory(self, mode: MemoryMode) -> None:
        """As for other encoders, but that timm's blocks have no `"lean"`.

        Raises:
            ConfigError: The model does not support the mode.
        """
        super().set_memory(mode)
        try:
            self.model.set_grad_checkpointing(mode == "checkpoint")
        except (AttributeError, AssertionError) as error:
            raise ConfigError(f"timm/{self.name} does not support checkpointing.") from error

    def _maps(self, images: Tensor, indices: list[int]) -> list[Tensor]:
        maps = self.model.forward_intermediates(
            self._pad(images),
            indices=indices,
            stop_early=True,
            output_fmt="NCHW",
            intermediates_only=True,
        )
        if self.pad_to is None:
            return maps
        height, width = images.shape[-2:]
        strides = [self.model.feature_info[i]["reduction"] for i in indices]
        return [
            x[:, :, : -(-height // stride), : -(-width // stride)]
            for x, stride in zip(maps, strides, strict=True)
        ]

    def _pad(self, images: Tensor) -> Tensor:
        """Pad images `(B, C, H, W)` right and bottom to what the model takes."""
        if self.pad_to is None:
            return images
        (step_h, step_w), fixed = self.pad_to
        height, width = images.shape[-2:]
        if fixed and (height > step_h or width > step_w):
            raise ConfigError(
                f"timm/{self.name} accepts images up to {step_h} x {step_w}; "
                f"got {height} x {width}. "
                f"Build it with img_size=({height}, {width}) if timm can."
            )
        return F.pad(images, (0, -width % step_w, 0, -height % step_h))


def _set_norms(model: nn.Module, **values: float | None) -> None:
    """Set epsilon and momentum of the batch norms of a model, those that are not None."""
    check_ranges(
        {f"norm_{name}": value for name, value in values.items()},
        {"norm_eps": Range(above=0, maximum=1, optional=True), "norm_momentum": _MOMENTUM},
    )
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for name, value in values.items():
                if value is not None:
                    setattr(module, name, value)


def list_timm_models(pattern: str = "*") -> list[str]:
    """Names of timm's models as `create_backbone` accepts them, `"timm/NAME"`, sorted.

    Args:
        pattern: Shell-style pattern without the prefix.
    """
    return sorted(f"timm/{name}" for name in timm.list_models() if fnmatchcase(name, pattern))


def has_timm_model(name: str) -> bool:
    """Whether timm has a model of this name, with or without a tag."""
    return bool(_NAME.fullmatch(name)) and timm.is_model(name)


def check_timm_name(name: str) -> None:
    """Raise a `ConfigError` unless timm has a model of this name, with or without a tag.

    timm reads files and fetches repositories by longer names, such as those with a colon.
    """
    if not has_timm_model(name):
        raise ConfigError(
            f"timm has no model '{name}'.{suggest(name.partition('.')[0], timm.list_models())}\n"
            "vision.list_backbones('timm/*') prints all names."
        )


def check_timm_network(name: str) -> None:
    """Raise a `WeightsError` if the weights of a model must be fetched from a host that is silent.

    timm itself asks again and again.
    """
    config = timm.get_pretrained_cfg(name, allow_unregistered=True)
    hub = getattr(config, "hf_hub_id", None)
    if hub and cached(f"hf://{hub}") is None:
        check_network(f"hf://{hub}")


def _build(name: str, options: dict[str, Any], *, pretrained: bool) -> tuple[Any, dict[str, Any]]:
    """The timm model, and which of the size options its constructor accepted."""
    check_timm_name(name)
    for size_options in (*_SIZE_OPTIONS, {}):
        try:
            model = timm.create_model(name, pretrained=pretrained, **options, **size_options)
        except TypeError as error:
            # Constructors refuse unknown keywords at once, before anything is built or fetched.
            if not size_options:
                raise ConfigError(f"timm/{name}: {error}") from error
        except Exception as error:
            if not pretrained and "pretrained tag" not in str(error):
                raise
            raise _weights_error(name, error) from error
        else:
            break
    return model, size_options


def _weights_error(name: str, error: Exception) -> WeightsError:
    """The error for weights that timm could not load; downloads raise their client's errors."""
    reason = str(error).strip().partition("\n")[0].rstrip(".")
    return WeightsError(
        f"timm could not load its weights of '{name}': {reason}.\n"
        "With a copy of the file: vision.load_weights(model, PATH)"
    )


def _padding(
    model: Any, size_options: dict[str, Any], config: dict[str, Any]
) -> tuple[tuple[int, int], bool] | None:
    """Multiple (height, width) that images are padded to, and whether it is the only size."""
    if config["architecture"].startswith(_WHOLE_CELLS):
        stride = max(info["reduction"] for info in model.feature_info)
        return (stride, stride), False
    if "dynamic_img_pad" in size_options:
        return None
    if size_options:
        height, width = model.patch_embed.patch_size
        return (height, width), False
    if not config.get("fixed_input_size"):
        return None
    patch_embed = getattr(model, "patch_embed", None)
    height, width = getattr(patch_embed, "img_size", None) or config["input_size"][1:]
    return (height, width), True


def _input_spec(config: dict[str, Any], img_size: int | tuple[int, int] | None) -> InputSpec:
    data = resolve_data_config(pretrained_cfg=config)
    size = data["input_size"][1:] if img_size is None else img_size
    interpolation = data["interpolation"]
    return InputSpec(
        size=(size, size) if isinstance(size, int) else tuple(size),
        mean=tuple(data["mean"]),
        std=tuple(data["std"]),
        crop=data["crop_pct"],
        interpolation=interpolation if interpolation == "bilinear" else "bicubic",
    )
