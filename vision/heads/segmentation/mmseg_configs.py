"""Complete the config of a decode head of mmsegmentation from the maps that it gets.

mmsegmentation needs `in_channels`, `in_index`, `channels` and more in each config. They follow from
the maps, or else from the configs that it publishes (version 1.2.2).
"""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from vision.contracts.features import FeatureSpec
from vision.contracts.segmentation import IGNORED
from vision.errors import ConfigError, suggest

# The maps that heads on several maps take, as indices into the strides 4, 8, 16, 32.
SEVERAL_MAPS: dict[str, tuple[int, ...]] = {
    "UPerHead": (0, 1, 2, 3),
    "SegformerHead": (0, 1, 2, 3),
    "FPNHead": (0, 1, 2, 3),
    "SETRMLAHead": (0, 1, 2, 3),
    "LightHamHead": (1, 2, 3),
    "EncHead": (1, 2, 3),
    "ANNHead": (2, 3),
    "LRASPPHead": (0, 1, 2),
}
# Options without a default that the published configs agree on, and widths other than 512.
PUBLISHED: dict[str, dict[str, Any]] = {
    "SegformerHead": {"channels": 256},
    "FPNHead": {"channels": 128},
    "OCRHead": {"ocr_channels": 256},
    "DepthwiseSeparableASPPHead": {"c1_channels": 48},
    "LRASPPHead": {"input_transform": "multiple_select", "channels": 128},
    "SegmenterMaskTransformerHead": {"norm_cfg": {"type": "LN"}},
    "DAHead": {"pam_channels": 64},
    "ANNHead": {"project_channels": 256},
    "ISAHead": {"isa_channels": 256, "down_factor": (8, 8)},
    "EMAHead": {
        "ema_channels": 512,
        "channels": 256,
        "num_bases": 64,
        "num_stages": 3,
        "momentum": 0.1,
    },
}
CHANNELS = 512
# SyncBN, which the published configs have, runs only on GPUs in distributed training; Lightning's
# `sync_batchnorm` converts this one to it.
NORM = {"type": "BN", "requires_grad": True}
# Packages that may precede the name of a part; none is also allowed.
SCOPES = ("", "mmengine", "mmseg", "mmdet")
MASK_HEADS = ("Mask2FormerHead", "MaskFormerHead")
# The coarsest maps that the pixel decoder of Mask2Former attends to.
ATTENDED = 3


def complete_config(
    head: type,
    specs: Sequence[FeatureSpec],
    *,
    num_classes: int,
    config: Mapping[str, Any],
) -> dict[str, Any]:
    """Fill in what the config of a head leaves out.

    Args:
        head: Class of mmsegmentation.
        specs: Channels and stride of each map, finest first.
        num_classes: Number of classes.
        config: Options of the head.

    Returns:
        All options.

    Raises:
        ConfigError: The head has no option of a name, or a value contradicts the maps.
    """
    name = head.__name__
    known = options_of(head)
    for option in config:
        if option not in known:
            raise ConfigError(
                f"the head {name} of mmsegmentation has no option {option!r}."
                f"{suggest(option, known)} Its options are {', '.join(sorted(known))}."
            )
    if config.get("ignore_index", IGNORED) != IGNORED:
        raise ConfigError(
            f"ignore_index={config['ignore_index']} of {name}: masks have {IGNORED} where there is "
            "no class. Leave it out."
        )
    if config.get("out_channels", num_classes) != num_classes and name not in MASK_HEADS:
        raise ConfigError(
            f"out_channels={config['out_channels']} of {name}: a head has one logit per class "
            f"here, {num_classes}. Leave it out."
        )
    if name == "Mask2FormerHead":
        return merge(mask2former_config(specs, num_classes), config)
    if name == "IterativeDecodeHead":
        return dict(config)
    if name == "MaskFormerHead":
        channels = [spec.channels for spec in specs]
        return {"in_channels": channels, "num_classes": num_classes, **config}
    filled = {"channels": CHANNELS, "norm_cfg": dict(NORM), **PUBLISHED.get(name, {})}
    filled |= {"num_classes": num_classes, **_of_maps(name, specs, config)}
    return {key: value for key, value in filled.items() if key in known} | dict(config)


def check_types(config: Any, place: str) -> None:
    """Refuse values that mmengine would import by their path, or read from a file.

    mmengine takes an unregistered `type` as the path of any Python object, and calls it: a config
    that came with a checkpoint could run code.

    Args:
        config: A config with all that it holds.
        place: Its place, for the error.

    Raises:
        ConfigError: A `type` is not registered by mmengine, mmsegmentation or mmdetection, a config
            names a scope of its own, or weights that its initialisation would fetch.
    """
    if isinstance(config, Mapping):
        if "_scope_" in config:
            raise ConfigError(f"{place}._scope_ cannot be set; leave it out.")
        if "type" in config:
            _check_type(config["type"], f"{place}.type")
        for key, value in config.items():
            check_types(value, f"{place}.{key}")
    elif isinstance(config, list | tuple):
        for i, value in enumerate(config):
            check_types(value, f"{place}[{i}]")


def _check_type(name: Any, place: str) -> None:
    from mmengine.registry import MODELS, TASK_UTILS, WEIGHT_INITIALIZERS

    if name == "Pretrained":
        raise ConfigError(
            f"{place}: a head does not fetch weights of its own; give the file of the whole model "
            "with weights=PATH."
        )
    scope, _, leaf = str(name).rpartition(".")
    roots = (MODELS, TASK_UTILS, WEIGHT_INITIALIZERS)
    registries = [r for root in roots for r in (root, *root.children.values())]
    known = {key for registry in registries for key in registry.module_dict}
    if scope not in SCOPES or leaf not in known:
        raise ConfigError(
            f"{place}={name!r} is registered by none of {', '.join(filter(None, SCOPES))}."
            f"{suggest(leaf, known)} Paths of classes are not imported."
        )


def options_of(head: type) -> set[str]:
    """Names that the constructor of a head takes, including its bases' constructors."""
    names: set[str] = set()
    for base in head.__mro__:
        if "__init__" not in vars(base):
            continue
        parameters = list(inspect.signature(base.__init__).parameters.values())[1:]  # type: ignore[misc]
        variable = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
        names |= {p.name for p in parameters if p.kind not in variable}
        if not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters):
            break
    # These heads pass it to their base themselves.
    return (
        names - {"input_transform"}
        if head.__name__ in SEVERAL_MAPS.keys() - {"LRASPPHead"}
        else names
    )


def _of_maps(name: str, specs: Sequence[FeatureSpec], config: Mapping[str, Any]) -> dict[str, Any]:
    """The options that follow from the maps."""
    index = config.get("in_index")
    if index is None:
        several = name in SEVERAL_MAPS or "input_transform" in config
        wanted = SEVERAL_MAPS.get(name, tuple(range(len(specs))))
        index = [i for i in wanted if i < len(specs)] if several else len(specs) - 1
    indices = list(index) if isinstance(index, Sequence) else [index]
    for i in indices:
        if not -len(specs) <= i < len(specs):
            raise ConfigError(
                f"in_index={index} of {name}: there are {len(specs)} maps, of strides "
                f"{[spec.stride for spec in specs]}, with indices from 0."
            )
    taken = [specs[i] for i in indices]
    channels = [spec.channels for spec in taken]
    options: dict[str, Any] = {"in_index": index, "in_channels": channels}
    if not isinstance(index, Sequence):
        options["in_channels"] = channels[0]
    elif name not in SEVERAL_MAPS:
        # All maps resized and concatenated, as for HRNet.
        options["input_transform"] = "resize_concat"
    options["feature_strides"] = [spec.stride for spec in taken]
    options["c1_in_channels"] = specs[0].channels
    given = config.get("in_channels", options["in_channels"])
    same = list(given) if isinstance(given, Sequence) else given
    if same != options["in_channels"]:
        raise ConfigError(
            f"in_channels={given} of {name}: the maps {indices} have {options['in_channels']} "
            "channels. Leave it out: it follows from the backbone."
        )
    return options


def output_stride(name: str, specs: Sequence[FeatureSpec], config: Mapping[str, Any]) -> int:
    """Image pixels per cell of the logits of a head with a complete config."""
    if name in MASK_HEADS:
        return 1
    index = config.get("in_index", -1)
    if name in ("EncHead", "ANNHead"):
        index = list(index)[-1]
    elif name == "DepthwiseSeparableASPPHead" and config.get("c1_in_channels"):
        index = 0
    elif name == "IterativeDecodeHead":
        return output_stride("", specs, config["kernel_generate_head"])
    stride = specs[index[0] if isinstance(index, Sequence) else index].stride
    if name == "SETRUPHead":  # enlarges its map, by 4 once as it is
        stride //= config.get("up_scale", 4) ** config.get("num_convs", 1)
    return max(stride, 1)


def merge(base: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Replace options one by one, also within nested options."""
    merged = dict(base)
    for key, value in given.items():
        before = merged.get(key)
        both = isinstance(before, Mapping) and isinstance(value, Mapping)
        merged[key] = merge(before, value) if both else value  # type: ignore[arg-type]
    return merged


def mask2former_config(specs: Sequence[FeatureSpec], num_classes: int) -> dict[str, Any]:
    """The options of Mask2Former with 100 queries, as published for ADE20K.

    "Masked-attention Mask Transformer for Universal Image Segmentation", Cheng et al., 2022,
    https://arxiv.org/abs/2112.01527, section 4.1 and appendix A.

    Args:
        specs: Channels and stride of each map, finest first.
        num_classes: Number of classes.
    """
    attention = {"embed_dims": 256, "num_heads": 8, "batch_first": True}
    plain = {"attn_drop": 0.0, "proj_drop": 0.0, "dropout_layer": None, **attention}
    position = {"num_feats": 128, "normalize": True}
    relu = {"type": "ReLU", "inplace": True}
    ffn = {"embed_dims": 256, "num_fcs": 2, "ffn_drop": 0.0, "act_cfg": relu}
    levels = {"num_levels": ATTENDED, "num_points": 4, "im2col_step": 64}
    encoder = {
        "num_layers": 6,
        "layer_cfg": {
            "self_attn_cfg": {**attention, **levels, "dropout": 0.0},
            "ffn_cfg": {**ffn, "feedforward_channels": 1024},
        },
    }
    pixel_decoder = {
        "type": "mmdet.MSDeformAttnPixelDecoder",
        "num_outs": ATTENDED,
        "norm_cfg": {"type": "GN", "num_groups": 32},
        "act_cfg": {"type": "ReLU"},
        "encoder": encoder,
        "positional_encoding": dict(position),
    }
    decoder = {
        "return_intermediate": True,
        "num_layers": 9,
        "layer_cfg": {
            "self_attn_cfg": dict(plain),
            "cross_attn_cfg": dict(plain),
            "ffn_cfg": {**ffn, "feedforward_channels": 2048, "add_identity": True},
        },
    }
    return {
        "in_channels": [spec.channels for spec in specs],
        "strides": [spec.stride for spec in specs],
        "feat_channels": 256,
        "out_channels": 256,
        "num_classes": num_classes,
        "num_queries": 100,
        "num_transformer_feat_level": ATTENDED,
        "pixel_decoder": pixel_decoder,
        "enforce_decoder_input_project": False,
        "positional_encoding": dict(position),
        "transformer_decoder": decoder,
        **_mask2former_losses(num_classes),
    }


def _mask2former_losses(num_classes: int) -> dict[str, Any]:
    bce = {"type": "mmdet.CrossEntropyLoss", "use_sigmoid": True, "reduction": "mean"}
    dice = {"type": "mmdet.DiceLoss", "use_sigmoid": True, "activate": True, "reduction": "mean"}
    classes = {"type": "mmdet.CrossEntropyLoss", "use_sigmoid": False, "reduction": "mean"}
    costs = [
        {"type": "mmdet.ClassificationCost", "weight": 2.0},
        {"type": "mmdet.CrossEntropyLossCost", "weight": 5.0, "use_sigmoid": True},
        {"type": "mmdet.DiceCost", "weight": 5.0, "pred_act": True, "eps": 1.0},
    ]
    return {
        "loss_cls": {**classes, "loss_weight": 2.0, "class_weight": [1.0] * num_classes + [0.1]},
        "loss_mask": {**bce, "loss_weight": 5.0},
        "loss_dice": {**dice, "naive_dice": True, "eps": 1.0, "loss_weight": 5.0},
        "train_cfg": {
            "num_points": 12544,
            "oversample_ratio": 3.0,
            "importance_sample_ratio": 0.75,
            "assigner": {"type": "mmdet.HungarianAssigner", "match_costs": costs},
            "sampler": {"type": "mmdet.MaskPseudoSampler"},
        },
    }
