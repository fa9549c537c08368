"""TNT weights: the names of huawei-noah/Efficient-AI-Backbones and timm to ours."""

from collections.abc import Mapping
from math import isqrt
from typing import Any

import torch
from torch import Tensor, nn

from vision.errors import ConfigError, WeightsError
from vision.weights.names.published import OptionReader, PublishedModel, Source
from vision.weights.names.rename import drop, rename
from vision.weights.resize import resize_position_tokens

_RULES = {
    "ours": [],
    "official": [
        (r"^patch_embed\.proj\.", "word_embed."),
        (r"^cls_token$", "class_token"),
        (r"^proj\.", "patch_embed.proj."),
        (r"^proj_norm(\d)\.", r"patch_embed.norm\1."),
        (r"^(blocks\.\d+)\.proj\.", r"\1.words_to_patch.proj."),
        (r"^(blocks\.\d+)\.proj_norm(\d)\.", r"\1.words_to_patch.norm\2."),
        (r"\.(inner|outer)_(norm\d|attn|mlp)\.", r".\1.\2."),
        (r"\.se_layer\.fc\.0\.", ".outer.gate.norm."),
        (r"\.se_layer\.fc\.1\.", ".outer.gate.fc1."),
        (r"\.se_layer\.fc\.3\.", ".outer.gate.fc2."),
        (r"^head\.", "head.fc."),
    ],
    "timm": [
        (r"^pixel_embed\.proj\.", "word_embed."),
        (r"^pixel_pos$", "inner_pos"),
        (r"^patch_pos$", "outer_pos"),
        (r"^cls_token$", "class_token"),
        (r"^proj\.", "patch_embed.proj."),
        (r"^norm(\d)_proj\.", r"patch_embed.norm\1."),
        (r"^(blocks\.\d+)\.proj\.", r"\1.words_to_patch.proj."),
        (r"^(blocks\.\d+)\.norm(\d)_proj\.", r"\1.words_to_patch.norm\2."),
        (r"\.norm_in\.", ".inner.norm1."),
        (r"\.attn_in\.", ".inner.attn."),
        (r"\.norm_mlp_in\.", ".inner.norm2."),
        (r"\.mlp_in\.", ".inner.mlp."),
        (r"\.norm_out\.", ".outer.norm1."),
        (r"\.attn_out\.", ".outer.attn."),
        (r"\.norm_mlp\.", ".outer.norm2."),
        (r"^(blocks\.\d+)\.mlp\.", r"\1.outer.mlp."),
        (r"^head\.", "head.fc."),
    ],
}


def naming(keys: set[str]) -> str:
    """Tell whose key names these are by the name of the first convolution."""
    if "word_embed.weight" in keys:
        return "ours"
    if "pixel_embed.proj.weight" in keys:
        return "timm"
    return "official"


def convert(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the keys of a state dict to ours and join queries, keys and values.

    The authors' `outer_tokens`, which nothing reads, is dropped; the classifier becomes `head.fc`.

    Raises:
        WeightsError: The weights are of timm's legacy model, another architecture.
    """
    source = naming(set(state))
    if source == "timm" and "blocks.0.norm2_proj.weight" not in state:
        raise WeightsError(
            "these are weights of timm's 'legacy' TNT (tnt_s_legacy_patch16_224), which convolves "
            "the whole image and is not the published model. Use tnt_s_patch16_224 instead."
        )
    renamed = _join_qkv(rename(drop(state, r"^outer_tokens$"), _RULES[source]))
    positions = renamed.get("inner_pos")
    if positions is not None and positions.ndim == 4:  # timm: (1, c, H, W)
        renamed["inner_pos"] = positions.flatten(2).transpose(1, 2)  # (1, S, c)
    return renamed


def _join_qkv(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Stack the rows of `qk` and `v` under the name `qkv`."""
    joined = dict(state)
    for name in state:
        values_name = name.replace(".attn.qk.", ".attn.v.")
        if values_name != name and values_name in state:
            rows = [joined.pop(name), joined.pop(values_name)]
            joined[name.replace(".attn.qk.", ".attn.qkv.")] = torch.cat(rows)
    return joined


def resize(name: str, tensor: Tensor, target: Tensor, backbone: nn.Module) -> Tensor | None:
    """Resize the position tables: of patches for another image size, of words for another stride.

    Args:
        name: Our name of the tensor.
        tensor: The published tensor; its grid is square.
        target: The tensor to fill.
        backbone: The `TNT` it belongs to.

    Returns:
        The resized tensor, or None if `name` does not depend on a size or the grid is not square.
    """
    if name not in ("inner_pos", "outer_pos") or tensor.shape[-1] != target.shape[-1]:
        return None
    first = 1 if name == "outer_pos" else 0
    if isqrt(tensor.shape[1] - first) ** 2 != tensor.shape[1] - first:
        return None
    side = isqrt(target.shape[1])
    size: Any = backbone.grid if name == "outer_pos" else (side, side)
    grid = resize_position_tokens(tensor[:, first:], size)
    return torch.cat([tensor[:, :first], grid], dim=1)


def read_options(reader: OptionReader, source: Source) -> PublishedModel:
    """Translate the constructor options of the authors' or timm's TNT class.

    Raises:
        ConfigError: Hugging Face has no TNT, or an option has a value that is not supported.
    """
    if source not in _READERS:
        raise ConfigError(f"{source} has no TNT; known are {', '.join(_READERS)}.")
    options, num_classes = _READERS[source](reader)
    patch_size = options.get("patch_size", 16)
    if not isinstance(patch_size, int):
        if len(set(patch_size)) != 1:
            raise ConfigError(
                f"{source} tnt: patch_size = {patch_size!r} is not supported; patches are square."
            )
        options["patch_size"] = patch_size[0]
    return PublishedModel(options, num_classes)


def _read_official(reader: OptionReader) -> tuple[dict[str, Any], int]:
    options = reader.rename(
        {
            "img_size": "img_size",
            "patch_size": "patch_size",
            "in_chans": "in_channels",
            "outer_dim": "dim",
            "inner_dim": "inner_dim",
            "depth": "depth",
            "outer_num_heads": "num_heads",
            "inner_num_heads": "inner_num_heads",
            "mlp_ratio": "mlp_ratio",
            "qkv_bias": "qkv_bias",
            "drop_rate": "drop_rate",
            "attn_drop_rate": "attn_drop_rate",
            "drop_path_rate": "drop_path_rate",
            "inner_stride": "inner_stride",
            "se": "se",
        }
    )
    reader.expect("norm_layer", None)
    # The authors' code takes 0 for the default, as None.
    options["qk_scale"] = reader.take("qk_scale") or None
    return options, reader.take("num_classes", 1000)


def _read_timm(reader: OptionReader) -> tuple[dict[str, Any], int]:
    reader.expect("legacy", False)
    reader.expect("global_pool", "token")
    # timm's inner feed-forward networks have four times their width whatever this says.
    reader.expect("mlp_ratio", 4)
    # Dropout before the classifier is the head's own.
    reader.expect("drop_rate", 0)
    reader.ignore("device", "dtype")
    options = reader.rename(
        {
            "img_size": "img_size",
            "patch_size": "patch_size",
            "in_chans": "in_channels",
            "embed_dim": "dim",
            "inner_dim": "inner_dim",
            "depth": "depth",
            "num_heads_outer": "num_heads",
            "num_heads_inner": "inner_num_heads",
            "qkv_bias": "qkv_bias",
            "proj_drop_rate": "drop_rate",
            "attn_drop_rate": "attn_drop_rate",
            "drop_path_rate": "drop_path_rate",
            "first_stride": "inner_stride",
        }
    )
    # One rate serves tokens and branches here.
    reader.expect("pos_drop_rate", options.get("drop_rate", 0.0))
    return options, reader.take("num_classes", 1000)


_READERS = {"official": _read_official, "timm": _read_timm}
