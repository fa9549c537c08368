"""Our backbones as timm models; importing this module registers them.

    import timm
    import vision.interop.timm

    timm.create_model("cswin_tiny", features_only=True)

Every name of `vision.list_backbones()` is registered with the prefix `vision_`
(`vision_cswin_tiny`), and under itself where timm has no model of that name: `convnext_tiny` stays
timm's, ours is `vision_convnext_tiny`. timm (PyTorch Image Models), Wightman, 2019,
https://github.com/huggingface/pytorch-image-models, 1.0.20 or newer.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from timm.models import FeatureInfo, generate_default_cfgs, is_model, model_entrypoint
from timm.models import register_model as register
from torch import Tensor, nn

from vision.backbones.base import Backbone
from vision.backbones.registry import (
    backbone_class,
    create_backbone,
    list_backbones,
    variant_options,
)
from vision.contracts.features import InputSpec
from vision.errors import ConfigError
from vision.heads.classification.linear import LinearHead
from vision.weights.index import published_weights
from vision.weights.load import load_weights
from vision.weights.pretrained import load_pretrained

PREFIX = "vision_"
# Number of classes of the published weights.
_CLASSES = 1000
_POOLS = (None, "avg", "token", "")
# Keys of timm's description of weights that name a file, with the prefix for our loader.
_SOURCES = {"file": "", "url": "", "hf_hub_id": "hf://"}


class TimmClassifier(nn.Module):
    """A backbone with a linear classifier, with the attributes and methods of timm's models.

    Parameter names equal the names in our task `Classification`, so it loads its checkpoints.

    Args:
        backbone: The backbone.
        num_classes: Number of classes; with 0 the model returns embeddings.
        drop_rate: Dropout probability before the classifier.
        global_pool: `""` returns the last map instead of the embedding, and needs
            `num_classes=0`; other values use the backbone's own pooling.

    Attributes:
        num_features: Channels of the output of `forward_features`.
        feature_info: Channels, stride and name of each map of the pyramid, as a list of mappings.
        pretrained_cfg: Input that the published weights expect; `default_cfg` is the same.
    """

    def __init__(
        self,
        backbone: Backbone,
        *,
        num_classes: int = _CLASSES,
        drop_rate: float = 0.0,
        global_pool: str | None = None,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.drop_rate = drop_rate
        self.global_pool = ""
        self.head: nn.Module = nn.Identity()
        self.feature_info = _feature_info(backbone)
        self.pretrained_cfg: dict[str, Any] = {}
        self.default_cfg = self.pretrained_cfg
        self.num_classes, self.num_features, self.head_hidden_size = 0, 0, 0
        self.reset_classifier(num_classes, global_pool or ("" if global_pool == "" else "avg"))

    def forward(self, images: Tensor) -> Tensor:
        """Map images `(B, C_in, H, W)`, normalised, to logits `(B, K)`, or embeddings `(B, D)`."""
        return self.forward_head(self.forward_features(images))

    def forward_features(self, images: Tensor) -> Tensor:
        """The embedding `(B, D)`, or the last map `(B, C, h, w)` without pooling."""
        if self.global_pool:
            return self.backbone.embed(images)
        count = self.backbone.out_indices[-1] + 1
        return self.backbone.forward_stages(images, count, classifier=True)[-1]

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Classify the output of `forward_features`; unchanged with `pre_logits` or no classes."""
        if pre_logits or not isinstance(self.head, LinearHead):
            return x
        return self.head(x)["logits"]

    def get_classifier(self) -> nn.Module:
        """The linear layer, or an identity if there are no classes."""
        return self.head.fc if isinstance(self.head, LinearHead) else self.head

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Replace the classifier by a new one.

        Args:
            num_classes: Number of classes; 0 removes it.
            global_pool: As in the constructor; None keeps the current one.

        Raises:
            ConfigError: The pooling is unknown, or there are classes without pooling.
        """
        if global_pool not in _POOLS:
            raise ConfigError(
                f"global_pool='{global_pool}' is not available: each backbone has its own pooling, "
                "which 'avg' selects; '' disables it."
            )
        pool = self.global_pool if global_pool is None else global_pool
        if num_classes and not pool:
            raise ConfigError("global_pool='' returns a map, which needs num_classes=0.")
        self.global_pool, self.num_classes = pool, num_classes
        last = self.backbone.feature_specs[-1].channels
        self.num_features = self.backbone.embed_dim if pool else last
        self.head_hidden_size = self.num_features
        self.head = nn.Identity()
        if num_classes:
            like = next(self.backbone.parameters())
            head = LinearHead(self.num_features, num_classes=num_classes, dropout=self.drop_rate)
            self.head = head.to(device=like.device, dtype=like.dtype)

    def no_weight_decay(self) -> set[str]:
        """Names of the parameters that the authors exempt from weight decay."""
        return {f"backbone.{name}" for name in self.backbone.no_weight_decay()}

    def group_matcher(self, coarse: bool = False) -> Callable[[str], int]:
        """A function from a parameter's name to its depth, for timm's layer-wise decay.

        Args:
            coarse: Whether to count stages instead of blocks.
        """
        groups = self.backbone.stage_groups() if coarse else self.backbone.layer_groups()
        depth = {f"backbone.{name}": i for i, names in enumerate(groups) for name in names}
        return lambda name: depth.get(name, len(groups))

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Trade computation for memory: recompute each block in the backward pass."""
        self.backbone.set_grad_checkpointing(enable)


class TimmFeatures(nn.Module):
    """A backbone without a classifier, like timm's models with `features_only=True`.

    It returns the maps of `create_backbone(name)`, without output norms, like timm; options such
    as `out_norm=True` are passed on. Parameters that only the embedding needs are frozen, so that
    every trained parameter gets a gradient.

    Args:
        backbone: The backbone.
        unused: Names of its parameters that no map depends on.

    Attributes:
        feature_info: timm's `FeatureInfo` of the maps.
        pretrained_cfg: Input that the published weights expect; `default_cfg` is the same.
    """

    def __init__(self, backbone: Backbone, *, unused: Iterable[str] = ()) -> None:
        super().__init__()
        self.backbone = backbone
        for name in unused:
            backbone.get_parameter(name).requires_grad_(False)
        info = _feature_info(backbone)
        self.feature_info = FeatureInfo(info, tuple(range(len(info))))
        self.pretrained_cfg: dict[str, Any] = {}
        self.default_cfg = self.pretrained_cfg

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map images `(B, C_in, H, W)`, normalised, to maps `(B, C, h, w)`, finest first."""
        return self.backbone(images)

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Trade computation for memory: recompute each block in the backward pass."""
        self.backbone.set_grad_checkpointing(enable)


def _feature_info(backbone: Backbone) -> list[dict[str, Any]]:
    return [
        {
            "num_chs": spec.channels,
            "reduction": spec.stride,
            "module": f"backbone.stages.{i}",
            "index": i,
        }
        for i, spec in zip(backbone.out_indices, backbone.feature_specs, strict=True)
    ]


def create(
    name: str,
    *,
    pretrained: bool = False,
    pretrained_cfg: Mapping[str, Any] | str | None = None,
    pretrained_cfg_overlay: Mapping[str, Any] | None = None,
    features_only: bool = False,
    num_classes: int = _CLASSES,
    in_chans: int = 3,
    img_size: int | Sequence[int] | None = None,
    drop_rate: float = 0.0,
    global_pool: str | None = None,
    options: Mapping[str, Any],
) -> TimmClassifier | TimmFeatures:
    """Build one of our backbones as a timm model, with timm's options.

    Args:
        name: A name of `vision.list_backbones()`.
        pretrained: Whether to load the published weights with our own loader.
        pretrained_cfg: Replaces entries of the description of the weights.
        pretrained_cfg_overlay: The same; `file`, `url` or `hf_hub_id` name weights to load.
        features_only: Whether to return the feature pyramid instead of a classifier.
        num_classes: Number of classes; if not the published one, the classifier is random.
        in_chans: Number of image channels.
        img_size: Side, or height and width, of the position embeddings; backbones without them take
            any size.
        drop_rate: Dropout probability before the classifier.
        global_pool: See `TimmClassifier`.
        options: Keyword arguments of the backbone, such as `drop_path_rate` and `out_indices`.

    Raises:
        ConfigError: An option is unknown, or a value is not allowed.
        WeightsError: The weights cannot be found or do not fit.
    """
    if isinstance(pretrained_cfg, str):
        raise ConfigError(
            f"'{name}' has one set of weights, and no tag '{pretrained_cfg}'. Leave it out."
        )
    overlay = {**(pretrained_cfg or {}), **(pretrained_cfg_overlay or {})}
    family = backbone_class(name)
    sized = img_size is not None and "img_size" in inspect.signature(family).parameters
    chosen = {"in_channels": in_chans, **({"img_size": img_size} if sized else {}), **options}
    backbone = create_backbone(name, **chosen)
    model: TimmClassifier | TimmFeatures
    if features_only:
        with torch.device("meta"):
            dense = create_backbone(name, **{**chosen, "dense": True})
        used = {key for key, _ in dense.named_parameters()}
        unused = [key for key, _ in backbone.named_parameters() if key not in used]
        model = TimmFeatures(backbone, unused=unused)
    else:
        model = TimmClassifier(
            backbone, num_classes=num_classes, drop_rate=drop_rate, global_pool=global_pool
        )
    config = {**_config(name), "num_classes": num_classes, **overlay, "architecture": name}
    if img_size is not None:
        height, width = (img_size, img_size) if isinstance(img_size, int) else img_size
        config["input_size"] = (in_chans, height, width)
    model.pretrained_cfg = model.default_cfg = config
    if pretrained:
        classifies = isinstance(model, TimmClassifier) and num_classes
        _load(model if classifies else backbone, name, overlay)
    return model


def _load(module: nn.Module, name: str, overlay: Mapping[str, Any]) -> None:
    for key, prefix in _SOURCES.items():
        if overlay.get(key):
            load_weights(module, f"{prefix}{overlay[key]}")
            return
    load_pretrained(module, name, True)


def _config(name: str) -> dict[str, Any]:
    """The description, in timm's terms, of the published weights of a variant."""
    spec = variant_options(name).get("default_input", InputSpec())
    config: dict[str, Any] = {
        "num_classes": _CLASSES,
        "input_size": (3, *spec.size),
        "mean": spec.mean,
        "std": spec.std,
        "crop_pct": spec.crop,
        "interpolation": spec.interpolation,
        "fixed_input_size": False,
        "classifier": "head.fc",
    }
    published = published_weights().get(name)
    addresses = [source.url for source in published.sources if source.url] if published else []
    return {**config, "url": addresses[0]} if addresses else config


def _entry_point(name: str, registered: str) -> Callable[..., nn.Module]:
    # The arguments that timm passes, and all other options of its user.
    def build(pretrained: bool = False, cache_dir: str | None = None, **options: Any) -> nn.Module:
        if cache_dir is not None:
            raise ConfigError("cache_dir: set TORCH_HOME and HF_HOME, where our loader looks.")
        own = [key for key in inspect.signature(create).parameters if key in options]
        named = {key: options.pop(key) for key in own}
        return create(name, pretrained=pretrained, options=options, **named)

    build.__name__ = build.__qualname__ = registered
    build.__doc__ = f"`vision.create_backbone('{name}')` as a model of timm; see `create`."
    return build


def _is_theirs(name: str) -> bool:
    return is_model(name) and model_entrypoint(name).__module__ != __name__


def registered_names() -> dict[str, str]:
    """Name in timm -> our name, of all models that this module registers."""
    ours = list_backbones()
    short = {name: name for name in ours if not _is_theirs(name)}
    return {**short, **{PREFIX + name: name for name in ours}}


_NAMES = registered_names()
# timm looks here for the descriptions of a module's models.
default_cfgs = generate_default_cfgs({new: _config(name) for new, name in _NAMES.items()})
for _registered, _name in _NAMES.items():
    if not is_model(_registered):
        register(_entry_point(_name, _registered))
