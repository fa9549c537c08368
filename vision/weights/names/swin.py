"""Swin weights: names of microsoft/Swin-Transformer, timm, transformers and mmdet to ours."""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from vision.errors import ConfigError
from vision.weights.names.huggingface import ignore_generic_options, take_num_classes
from vision.weights.names.published import OptionReader, PublishedModel, Source
from vision.weights.names.rename import drop, rename
from vision.weights.resize import resize_bias_table, resize_position_tokens

# More stages than any Swin has; some names count stages from one where ours count from zero.
_MAX_STAGES = 10
_BLOCKS = (r"^layers\.(\d+)\.blocks\.", r"stages.\1.")
_RULES = {
    "ours": [],
    "official": [
        _BLOCKS,
        *((rf"^layers\.{i}\.downsample\.", f"merges.{i + 1}.") for i in range(_MAX_STAGES)),
        (r"^norm(\d)\.", r"out_norms.\1."),
        (r"^head\.", "head.fc."),
    ],
    # timm and we count patch merging with the stage that follows, the others with the one before.
    "timm": [
        _BLOCKS,
        (r"^layers\.(\d+)\.downsample\.", r"merges.\1."),
    ],
    # Files on the hub say `attention.self.query`, models in memory `attention.q_proj`.
    "huggingface": [
        (r"^swin\.", ""),
        (r"^embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
        (r"^embeddings\.norm\.", "patch_embed.norm."),
        (r"^embeddings\.position_embeddings$", "absolute_pos_embed"),
        (r"^encoder\.layers\.(\d+)\.blocks\.", r"stages.\1."),
        *(
            (rf"^encoder\.layers\.{i}\.downsample\.", f"merges.{i + 1}.")
            for i in range(_MAX_STAGES)
        ),
        (r"\.layernorm_before\.", ".norm1."),
        (r"\.layernorm_after\.", ".norm2."),
        (r"\.attention\.output\.dense\.", ".attn.proj."),
        (r"\.attention\.o_proj\.", ".attn.proj."),
        (r"\.attention\.self\.([qkv])(uery|ey|alue)\.", r".attn.\1."),
        (r"\.attention\.([qkv])_proj\.", r".attn.\1."),
        (r"\.attention\.(self|relative_position_bias)\.relative", ".attn.relative"),
        (r"\.intermediate\.dense\.", ".mlp.fc1."),
        (r"^(stages\.\d+\.\d+)\.output\.dense\.", r"\1.mlp.fc2."),
        *(
            (rf"^hidden_states_norms\.stage{i + 1}\.", f"out_norms.{i}.")
            for i in range(_MAX_STAGES)
        ),
        (r"^layernorm\.", "norm."),
        (r"^classifier\.", "head.fc."),
    ],
    "mmdet": [
        (r"^patch_embed\.projection\.", "patch_embed.proj."),
        (r"^stages\.(\d+)\.blocks\.", r"stages.\1."),
        *((rf"^stages\.{i}\.downsample\.", f"merges.{i + 1}.") for i in range(_MAX_STAGES)),
        (r"\.attn\.w_msa\.", ".attn."),
        (r"\.ffn\.layers\.0\.0\.", ".mlp.fc1."),
        (r"\.ffn\.layers\.1\.", ".mlp.fc2."),
        (r"^norm(\d)\.", r"out_norms.\1."),
    ],
}
# Derived from sizes, or part of pretraining by masked images alone.
_UNUSED = r"relative_position_index$|attn_mask$|^embeddings\.mask_token$"


def naming(keys: set[str]) -> str:
    """Tell whose key names these are by those of the stem, the classifier and patch merging."""
    if any("embeddings.patch_embeddings." in key for key in keys):
        return "huggingface"
    if "patch_embed.projection.weight" in keys:
        return "mmdet"
    if any(key.startswith("stages.") for key in keys):
        return "ours"
    merged = any(re.match(r"layers\.[1-9]\d*\.downsample\.", key) for key in keys)
    first = any(key.startswith("layers.0.downsample.") for key in keys)
    if "head.fc.weight" in keys or (merged and not first):
        return "timm"
    return "official"


def convert(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the keys of a state dict to ours; the classifier becomes `head.fc`."""
    style = naming(set(state))
    ours = drop(rename(state, _RULES[style]), _UNUSED)
    if style == "huggingface":
        ours = _fuse_qkv(ours)
    if style == "mmdet":
        ours = {k: _reorder_merged(v) if "merges." in k else v for k, v in ours.items()}
    position = ours.get("absolute_pos_embed")
    if position is not None and position.ndim == 4:  # the authors' dense variant: (1, C, H, W)
        ours["absolute_pos_embed"] = position.flatten(2).transpose(1, 2)
    return ours


def _fuse_qkv(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Stack the separate projections of queries, keys and values, in this order."""
    fused = {}
    for name, tensor in state.items():
        if ".attn.q." in name:
            parts = [state[name.replace(".attn.q.", f".attn.{part}.")] for part in "qkv"]
            fused[name.replace(".attn.q.", ".attn.qkv.")] = torch.cat(parts)
        elif ".attn.k." not in name and ".attn.v." not in name:
            fused[name] = tensor
    return fused


def _reorder_merged(tensor: Tensor) -> Tensor:
    """Order the last axis of patch merging, 4 * C, as we do: neighbours, then channels.

    mmdet puts the neighbours of a channel side by side, those of a row before those of the next.
    """
    by_neighbour = tensor.unflatten(-1, (-1, 4)).transpose(-1, -2)  # (..., 4, C)
    return by_neighbour[..., [0, 2, 1, 3], :].flatten(-2)


def resize(name: str, tensor: Tensor, target: Tensor, backbone: nn.Module) -> Tensor | None:
    """Resize bias tables to another window, the position embedding to another image size."""
    if tensor.shape[-1] != target.shape[-1]:
        return None
    if name.endswith("relative_position_bias_table"):
        return resize_bias_table(tensor, target.shape[0])
    if name == "absolute_pos_embed":
        grid: Any = backbone.position_grid
        return resize_position_tokens(tensor, grid)
    return None


def read_options(reader: OptionReader, source: Source) -> PublishedModel:
    """Translate the constructor options of a published Swin class."""
    return _READERS[source](reader)


_SHARED = {
    "depths": "depths",
    "num_heads": "num_heads",
    "mlp_ratio": "mlp_ratio",
    "qkv_bias": "qkv_bias",
    "drop_path_rate": "drop_path_rate",
    "embed_dim": "dim",
}


def _read_official(reader: OptionReader) -> PublishedModel:
    """Options of the authors' classifier or of their dense variant."""
    options = reader.rename(
        {
            **_SHARED,
            "in_chans": "in_channels",
            "window_size": "window_size",
            "qk_scale": "qk_scale",
            "drop_rate": "drop_rate",
            "attn_drop_rate": "attn_drop_rate",
            "ape": "ape",
            "patch_norm": "patch_norm",
            "img_size": "img_size",
            "pretrain_img_size": "pretrain_img_size",
            "out_indices": "out_indices",
        }
    )
    options |= _patch_size(reader)
    num_classes = reader.take("num_classes")
    if num_classes is not None:
        # The classifier makes its tables for an image size, the dense variant never does.
        options.setdefault("img_size", 224)
    reader.expect("frozen_stages", -1)
    reader.expect("norm_layer", None)
    reader.ignore("use_checkpoint", "fused_window_process")
    return PublishedModel(options, num_classes)


def _read_timm(reader: OptionReader) -> PublishedModel:
    options = reader.rename(
        {**_SHARED, "in_chans": "in_channels", "attn_drop_rate": "attn_drop_rate"}
    )
    # timm's `drop_rate` is the dropout before its classifier.
    options |= reader.rename({"proj_drop_rate": "drop_rate"})
    options |= _patch_size(reader)
    img_size = reader.take("img_size", 224)
    options["img_size"] = _one_number("img_size", img_size)
    options["window_size"] = _one_number("window_size", reader.take("window_size", 7))
    reader.expect("global_pool", "avg")
    reader.expect("head_dim", None)
    reader.expect("drop_rate", 0.0)
    reader.expect("always_partition", False)
    reader.ignore("strict_img_size", "dynamic_img_size", "weight_init")
    return PublishedModel(options, reader.take("num_classes", 1000))


def _read_huggingface(reader: OptionReader) -> PublishedModel:
    options = reader.rename(
        {
            **_SHARED,
            "num_channels": "in_channels",
            "window_size": "window_size",
            "hidden_dropout_prob": "drop_rate",
            "attention_probs_dropout_prob": "attn_drop_rate",
            "use_absolute_embeddings": "ape",
            # Bias tables keep their size whatever the image size is.
            "image_size": "pretrain_img_size",
        }
    )
    options |= _patch_size(reader)
    reader.ignore("out_features")  # the same choice as the indices, by names
    out_indices = reader.take("out_indices")
    if out_indices is not None:
        if 0 in out_indices:
            raise ConfigError(
                f"option 'out_indices' = {list(out_indices)} asks for the stem (0), which is no "
                "map of this backbone; its stages are 1, 2, ..."
            )
        # Index 0 is the stem there; negative ones count from the end here as there.
        options["out_indices"] = tuple(i - 1 if i > 0 else i for i in out_indices)
    reader.expect("hidden_act", "gelu")
    reader.expect("layer_norm_eps", 1e-5)
    reader.ignore("encoder_stride", "initializer_range", "num_layers", "hidden_size", "stage_names")
    ignore_generic_options(reader)
    return PublishedModel(options, take_num_classes(reader))


_READERS = {"official": _read_official, "timm": _read_timm, "huggingface": _read_huggingface}


def _patch_size(reader: OptionReader) -> dict[str, int]:
    patch_size = reader.take("patch_size")
    return {} if patch_size is None else {"patch_size": _one_number("patch_size", patch_size)}


def _one_number(name: str, value: Any) -> int:
    """The value of an option that may also be given per axis or per stage, all alike."""
    numbers = torch.tensor(value).flatten().tolist()
    if len(set(numbers)) != 1:
        raise ConfigError(f"option '{name}' = {value!r} is not supported: all must be equal.")
    return numbers[0]
