"""TNT weights: the names of huawei-noah/Efficient-AI-Backbones and timm."""

from math import isqrt
from typing import Any

import torch
from torch import Tensor, nn

from vision.errors import ConfigError, WeightsError
from vision.weights.names.operations import Operation, State, dropped, each, join
from vision.weights.names.published import OptionReader, PublishedModel, Source
from vision.weights.names.table import Names, within
from vision.weights.resize import resize_position_tokens


def _zeros(state: State, backbone: Any) -> dict[str, Tensor]:
    """A parameter that nothing reads, zero in every checkpoint of the authors."""
    return {"outer_tokens": torch.zeros_like(state["outer_pos"][:, 1:])}


def _as_tokens(table: Tensor) -> Tensor:
    """`(1, c, H, W)` to `(1, S, c)`."""
    return table.flatten(2).transpose(1, 2) if table.ndim == 4 else table


def _as_grid(table: Tensor, backbone: Any) -> Tensor:
    side = isqrt(table.shape[1])
    return table.transpose(1, 2).unflatten(2, (side, side)).contiguous()


def _refuse_legacy(state: State) -> dict[str, Tensor]:
    if "blocks.0.words_to_patch.norm2.weight" not in state:
        raise WeightsError(
            "these are weights of timm's 'legacy' TNT (tnt_s_legacy_patch16_224), which convolves "
            "the whole image and is not the published model. Use tnt_s_patch16_224 instead."
        )
    return dict(state)


_QKV = join(".attn.qkv.", {".attn.qk.": 2, ".attn.v.": 1})
TABLES = {
    "official": Names(
        [
            ("patch_embed.proj.", "word_embed."),
            ("cls_token", "class_token"),
            ("proj.", "patch_embed.proj."),
            ("proj_norm{i}.", "patch_embed.norm{i}."),
            *within(
                "blocks.{i}.",
                "blocks.{i}.",
                ("proj.", "words_to_patch.proj."),
                ("proj_norm{j}.", "words_to_patch.norm{j}."),
                ("se_layer.fc.0.", "outer.gate.norm."),
                ("se_layer.fc.1.", "outer.gate.fc1."),
                ("se_layer.fc.3.", "outer.gate.fc2."),
                ("inner_{part}.", "inner.{part}."),
                ("outer_{part}.", "outer.{part}."),
            ),
            ("head.", "head.fc."),
        ],
        [dropped(r"^outer_tokens$", _zeros), _QKV],
    ),
    "timm": Names(
        [
            ("pixel_embed.proj.", "word_embed."),
            ("pixel_pos", "inner_pos"),
            ("patch_pos", "outer_pos"),
            ("cls_token", "class_token"),
            ("proj.", "patch_embed.proj."),
            ("norm{i}_proj.", "patch_embed.norm{i}."),
            *within(
                "blocks.{i}.",
                "blocks.{i}.",
                ("proj.", "words_to_patch.proj."),
                ("norm{j}_proj.", "words_to_patch.norm{j}."),
                ("norm_in.", "inner.norm1."),
                ("attn_in.", "inner.attn."),
                ("norm_mlp_in.", "inner.norm2."),
                ("mlp_in.", "inner.mlp."),
                ("norm_out.", "outer.norm1."),
                ("attn_out.", "outer.attn."),
                ("norm_mlp.", "outer.norm2."),
                ("mlp.", "outer.mlp."),
            ),
            ("head.", "head.fc."),
        ],
        [Operation(_refuse_legacy), _QKV, each(r"^inner_pos$", _as_tokens, _as_grid)],
    ),
}


def naming(keys: set[str]) -> str:
    """Tell whose key names these are by the name of the first convolution."""
    if "word_embed.weight" in keys:
        return "ours"
    if "pixel_embed.proj.weight" in keys:
        return "timm"
    return "official"


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
    # The authors' code treats 0 as the default, as None.
    options["qk_scale"] = reader.take("qk_scale") or None
    return options, reader.take("num_classes", 1000)


def _read_timm(reader: OptionReader) -> tuple[dict[str, Any], int]:
    reader.expect("legacy", False)
    reader.expect("global_pool", "token")
    # timm's inner feed-forward networks always have four times their width.
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
