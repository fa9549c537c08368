"""Swin weights: the names of microsoft/Swin-Transformer, timm, transformers and mmdet."""

import re
from typing import Any

import torch
from torch import Tensor, nn

from vision.errors import ConfigError
from vision.weights.names.huggingface import ignore_generic_options, take_num_classes
from vision.weights.names.operations import State, dropped, each, join
from vision.weights.names.published import OptionReader, PublishedModel, Source
from vision.weights.names.swin_buffers import relative_positions, swin_attention_mask
from vision.weights.names.table import Names, Root, within
from vision.weights.resize import resize_bias_table, resize_position_tokens


def _indices(state: State, backbone: Any) -> dict[str, Tensor]:
    """The tables of indices of the blocks."""
    return {
        f"stages.{i}.{j}.attn.relative_position_index": relative_positions(window)
        for i, (blocks, window) in enumerate(
            zip(backbone.stages, backbone.table_windows, strict=True)
        )
        for j in range(len(blocks))
    }


def _indices_and_masks(state: State, backbone: Any) -> dict[str, Tensor]:
    """The buffers of the authors' classifier; their dense variant makes a mask for each image."""
    buffers = _indices(state, backbone)
    for i, blocks in enumerate(() if backbone.dense else backbone.stages):
        size = tuple(side // 2**i for side in backbone.position_grid)
        window = backbone.table_windows[i]
        # A map of one window is not shifted there.
        if min(size) > window:
            mask = swin_attention_mask(size, window, window // 2)
            buffers |= {f"stages.{i}.{j}.attn_mask": mask.clone() for j in range(1, len(blocks), 2)}
    return buffers


def _as_tokens(position: Tensor) -> Tensor:
    """`(1, C, H, W)`, as the authors' dense variant has it, to `(1, N, C)`."""
    return position.flatten(2).transpose(1, 2) if position.ndim == 4 else position


def _as_grid(position: Tensor, backbone: Any) -> Tensor:
    if not backbone.dense:
        return position
    return position.transpose(1, 2).unflatten(2, backbone.position_grid).contiguous()


def _merge(tensor: Tensor) -> Tensor:
    """Order the last axis of patch merging, 4 * C, as we do: neighbours, then channels.

    mmdet puts the neighbours of a channel side by side, row by row.
    """
    by_neighbour = tensor.unflatten(-1, (-1, 4)).transpose(-1, -2)  # (..., 4, C)
    return by_neighbour[..., [0, 2, 1, 3], :].flatten(-2)


def _unmerge(tensor: Tensor, backbone: Any) -> Tensor:
    """Order the last axis of patch merging, 4 * C, as mmdet: channels, then neighbours by rows."""
    by_neighbour = tensor.unflatten(-1, (4, -1))[..., [0, 2, 1, 3], :]  # (..., 4, C)
    return by_neighbour.transpose(-1, -2).flatten(-2)


_BLOCKS = ("layers.{i}.blocks.{j}.", "stages.{i}.{j}.")
_DERIVED = r"relative_position_index$|attn_mask$"
_POSITIONS = each(r"^absolute_pos_embed$", _as_tokens, _as_grid)
TABLES = {
    "official": Names(
        [
            _BLOCKS,
            ("layers.{i}.downsample.", "merges.{i+1}."),
            ("norm{i}.", "out_norms.{i}."),
            ("head.", "head.fc."),
        ],
        [dropped(_DERIVED, _indices_and_masks), _POSITIONS],
    ),
    # timm and we count patch merging with the stage that follows, the others with the one before.
    "timm": Names([_BLOCKS, ("layers.{i}.downsample.", "merges.{i}.")], [dropped(_DERIVED)]),
    # Files on the hub say `attention.self.query`, models in memory `attention.q_proj`.
    "huggingface": Names(
        [
            ("embeddings.patch_embeddings.projection.", "patch_embed.proj."),
            ("embeddings.norm.", "patch_embed.norm."),
            ("embeddings.position_embeddings", "absolute_pos_embed"),
            *within(
                "encoder.layers.{i}.blocks.{j}.",
                "stages.{i}.{j}.",
                ("layernorm_before.", "norm1."),
                ("layernorm_after.", "norm2."),
                ("attention.output.dense.", "attn.proj."),
                ("attention.o_proj.", "attn.proj."),
                ("attention.self.query.", "attn.q."),
                ("attention.self.key.", "attn.k."),
                ("attention.self.value.", "attn.v."),
                *((f"attention.{part}_proj.", f"attn.{part}.") for part in "qkv"),
                ("attention.self.{table}", "attn.{table}"),
                ("attention.relative_position_bias.{table}", "attn.{table}"),
                ("intermediate.dense.", "mlp.fc1."),
                ("output.dense.", "mlp.fc2."),
                ("", ""),
            ),
            ("encoder.layers.{i}.downsample.", "merges.{i+1}."),
            ("hidden_states_norms.stage{i+1}.", "out_norms.{i}."),
            ("layernorm.", "norm."),
            ("classifier.", "head.fc."),
        ],
        [
            dropped(_DERIVED, _indices),
            # Serves pretraining by masked images.
            dropped(r"^embeddings\.mask_token$"),
            join(".attn.qkv.", {".attn.q.": 1, ".attn.k.": 1, ".attn.v.": 1}),
        ],
        root=Root("swin.", beside=("classifier.",)),
    ),
    "mmdet": Names(
        [
            ("patch_embed.projection.", "patch_embed.proj."),
            *within(
                "stages.{i}.blocks.{j}.",
                "stages.{i}.{j}.",
                ("attn.w_msa.", "attn."),
                ("ffn.layers.0.0.", "mlp.fc1."),
                ("ffn.layers.1.", "mlp.fc2."),
                ("", ""),
            ),
            ("stages.{i}.downsample.", "merges.{i+1}."),
            ("norm{i}.", "out_norms.{i}."),
        ],
        [dropped(_DERIVED, _indices), each(r"^merges\.", _merge, _unmerge)],
    ),
}


def naming(keys: set[str]) -> str:
    """Tell whose key names these are by the stem, the classifier and patch merging."""
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
            # Bias tables keep their size for any image size.
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
