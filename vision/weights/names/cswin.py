"""CSWin weights: the names of microsoft/CSWin-Transformer."""

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from vision.errors import ConfigError
from vision.weights.names.operations import Operation, State, dropped
from vision.weights.names.published import OptionReader, PublishedModel, Source
from vision.weights.names.table import Names, within

_LEPE = re.compile(r"^(.+)\.attns\.(\d)\.get_v\.(weight|bias)$")


def _join_branches(state: State) -> dict[str, Tensor]:
    """Join the depthwise kernels of the two branches of a block, vertical stripes first."""
    joined = {}
    for name, tensor in state.items():
        match = _LEPE.match(name)
        if match is None:
            joined[name] = tensor
        elif match[2] == "0":
            other = state.get(f"{match[1]}.attns.1.get_v.{match[3]}")
            whole = tensor if other is None else torch.cat([tensor, other])
            joined[f"{match[1]}.attn.lepe.{match[3]}"] = whole
    return joined


def _split_branches(state: State, backbone: Any) -> dict[str, Tensor]:
    """Split the depthwise kernels of a block into two branches, or one if a window is the map."""
    branched = {}
    for key, tensor in state.items():
        match = re.match(r"stages\.(\d+)\.\d+\.attn\.lepe\.(weight|bias)$", key)
        if match is None:
            branched[key] = tensor
            continue
        block, stage = key.partition(".attn.")[0], int(match[1])
        count = 1 if stage == len(backbone.stages) - 1 or _is_one_window(backbone, stage) else 2
        for branch, part in enumerate(tensor.chunk(count)):
            branched[f"{block}.attns.{branch}.get_v.{match[2]}"] = part.clone()
    return branched


def _is_one_window(backbone: Any, stage: int) -> bool:
    """Whether the authors' classifier gives a stage one branch, as its stripe covers the map."""
    split = backbone.stages[stage][0].attn.split_size
    return not backbone.dense and backbone.default_input.size[0] // (4 * 2**stage) == split


TABLES = {
    # Stages, down-sampling and output norms count from one there.
    "official": Names(
        [
            ("stage1_conv_embed.0.", "downsample.0.0."),
            ("stage1_conv_embed.2.", "downsample.0.1."),
            ("merge{i}.conv.", "downsample.{i}.0."),
            ("merge{i}.norm.", "downsample.{i}.1."),
            *within(
                "stage{i+1}.{j}.",
                "stages.{i}.{j}.",
                ("qkv.", "attn.qkv."),
                ("proj.", "attn.proj."),
                ("", ""),
            ),
            ("norm{i+1}.", "out_norms.{i}."),
            ("head.", "head.fc."),
        ],
        [dropped(r"atten_mask_matrix$"), Operation(_join_branches, _split_branches)],
    )
}


def naming(keys: set[str]) -> str:
    """Tell whose key names these are by the name of the first convolution."""
    return "ours" if "downsample.0.0.weight" in keys else "official"


def resize(name: str, tensor: Tensor, target: Tensor, backbone: nn.Module) -> Tensor | None:
    """Nothing in CSWin depends on the image size."""
    return None


def read_options(reader: OptionReader, source: Source) -> PublishedModel:
    """Translate the constructor options of a published CSWin class."""
    if source != "official":
        raise ConfigError(f"there is no CSWin of source '{source}'; only 'official' exists.")
    options = reader.rename(
        {
            "in_chans": "in_channels",
            "embed_dim": "dim",
            "depth": "depths",
            "split_size": "split_sizes",
            "num_heads": "num_heads",
            "mlp_ratio": "mlp_ratio",
            "qkv_bias": "qkv_bias",
            "qk_scale": "qk_scale",
            "drop_rate": "drop_rate",
            "attn_drop_rate": "attn_drop_rate",
            "drop_path_rate": "drop_path_rate",
        }
    )
    num_classes = reader.take("num_classes")
    if num_classes is None:  # the dense variant
        options |= _dense_options(options)
    _check_odd_heads(options, reader.take("img_size", 224))
    reader.expect("hybrid_backbone", None)
    reader.expect("norm_layer", None)
    # The stem is the same for every patch size; blocks are recomputed or not with equal results.
    reader.ignore("patch_size", "use_chk")
    return PublishedModel(options, num_classes)


def _dense_options(options: Mapping[str, object]) -> dict[str, object]:
    """The options in which the authors' dense variant differs from their classifier.

    It always has a bias on queries, keys and values, and multiplies the width between stages by
    the ratio of their head counts instead of doubling it.
    """
    heads, dim = options.get("num_heads"), options.get("dim")
    changed: dict[str, object] = {"qkv_bias": True}
    if isinstance(heads, Sequence) and isinstance(dim, int):
        dims = [dim]
        for before, after in pairwise(heads):
            dims.append(dims[-1] * (after // before))
        if any(after != 2 * before for before, after in pairwise(dims)):
            changed["dim"] = dims
    return changed


def _check_odd_heads(options: Mapping[str, object], img_size: int) -> None:
    """Refuse the one case in which a single branch differs from two that cover the whole map."""
    heads, splits = options.get("num_heads"), options.get("split_sizes")
    if not isinstance(heads, Sequence) or not isinstance(splits, Sequence):
        return
    for i, (count, split) in enumerate(zip(heads[:-1], splits[:-1], strict=True)):
        if count % 2 and img_size // 4 // 2**i == split:
            raise ConfigError(
                f"option 'num_heads' = {list(heads)} is not supported with 'img_size' = "
                f"{img_size}: stage {i} has a single branch there, which needs an even number."
            )
