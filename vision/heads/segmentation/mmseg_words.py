"""The part of a decode head's config that is taken from a model file: only known, safe values.

mmengine imports, reads and fetches by the values of a config: an unregistered `type` is the path of
any Python object, the `class_weight` of a loss the path of a pickle, `init_cfg` the address of a
checkpoint. From a file come only numbers, booleans and the words below; options that only training
needs are left out.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from vision.errors import ConfigError, suggest

HEADS = (
    *("ANNHead", "APCHead", "ASPPHead", "CCHead", "DAHead", "DMHead", "DNLHead"),
    *("DepthwiseSeparableASPPHead", "DepthwiseSeparableFCNHead", "EMAHead", "EncHead", "FCNHead"),
    *("FPNHead", "GCHead", "ISAHead", "IterativeDecodeHead", "LRASPPHead", "LightHamHead"),
    *("Mask2FormerHead", "MaskFormerHead", "NLHead", "OCRHead", "PSAHead", "PSPHead", "SETRUPHead"),
    *("STDCHead", "SegformerHead", "SegmenterMaskTransformerHead", "UPerHead"),
)
# Parts of heads: layers, and the decoders of MaskFormer, Mask2Former and K-Net.
PARTS = (
    *("Conv1d", "Conv2d", "Conv", "BN", "BN1d", "BN2d", "SyncBN", "GN", "LN", "IN"),
    *("IN2d", "ReLU", "ReLU6", "LeakyReLU", "PReLU", "ELU", "GELU", "QuickGELU", "SiLU", "Swish"),
    *("HSwish", "HSigmoid", "Sigmoid", "Tanh", "Dropout", "DropPath"),
    *("KernelUpdateHead", "KernelUpdator", "PixelDecoder", "TransformerEncoderPixelDecoder"),
    *("MSDeformAttnPixelDecoder", "SinePositionalEncoding"),
)
# Packages that may precede the name of a part; none is also allowed.
SCOPES = ("", "mmengine.", "mmseg.", "mmdet.")
TYPES = frozenset(scope + name for scope in SCOPES for name in (*HEADS, *PARTS))
WORDS = frozenset(
    {
        *("multiple_select", "resize_concat", "bilinear", "nearest", "bicubic", "area"),
        *("embedded_gaussian", "gaussian", "dot_product", "concatenation", "att", "avg"),
        *("channel_add", "channel_mul", "bi-direction", "collect", "distribute", "auto"),
        *("zeros", "reflect", "replicate", "circular", "conv", "norm", "act"),
    }
)
# Options whose own options are one value each.
LAYERS = (["norm_cfg"], ["act_cfg"], ["conv_cfg"])
TRAINING = {"train_cfg", "test_cfg", "init_cfg", "sampler", "assigner", "bbox_coder", "pretrained"}


def inference_config(config: Any, place: str) -> Any:
    """The part of a config that inference needs, with plain values only.

    Args:
        config: A config of a head, or a value within.
        place: Its place, for the error.

    Returns:
        A copy without losses and other options that only training needs.

    Raises:
        ConfigError: A text is not a known word, or a key is not the name of an option.
    """
    if isinstance(config, Mapping):
        _check_keys(config, place)
        return {
            key: inference_config(value, f"{place}.{key}")
            for key, value in config.items()
            if key not in TRAINING and not key.startswith("loss")
        }
    if isinstance(config, list | tuple):
        _check_list(config, place)
        return [inference_config(value, place) for value in config]
    if isinstance(config, str):
        _check_word(config, place)
    return config


def _check_keys(config: Mapping[str, Any], place: str) -> None:
    for key in config:
        if not key.isidentifier() or key.startswith("_"):
            raise ConfigError(f"{place} has a key {key[:80]!r}, which is not an option of a head.")


def _check_list(values: Sequence[Any], place: str) -> None:
    of_layer = place.split(".")[-2:-1]
    if any(isinstance(value, list | tuple) for value in values) or of_layer in LAYERS:
        raise ConfigError(f"{place} is a list in a list, or in the place of one value.")


def _check_word(word: str, place: str) -> None:
    known = TYPES if place.endswith(".type") else WORDS
    if word not in known:
        raise ConfigError(
            f"{place}={word[:80]!r} is not taken from a file: this version does not know the "
            f"name.{suggest(word[:80], known)}"
        )
