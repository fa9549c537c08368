"""Our names of each backbone's weights to those of its authors, of timm and of Hugging Face.

Each function takes our tensors, the classifier as `head.fc`, and the backbone that they are of, and
returns the tensors of the other implementation, with the buffers that it keeps.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from vision.weights.names.rename import Rules, rename
from vision.weights.names.swin_buffers import relative_positions, swin_attention_mask

State = Mapping[str, Tensor]
Writer = Callable[[State, Any], dict[str, Tensor]]

# More stages than any backbone has, where names count from one and ours from zero.
_MAX_STAGES = 10
_STAGE_NORMS = [
    (rf"^out_norms\.{i}\.", f"hidden_states_norms.stage{i + 1}.") for i in range(_MAX_STAGES)
]
_CLASSIFIER = (r"^head\.fc\.", "head.")
_NUMBERED_NORMS = (r"^out_norms\.(\d+)\.", r"norm\1.")
_WIDE_MLP = [(r"\.mlp\.fc([12])\.", r".pwconv\1.")]

_CONVNEXT_OFFICIAL = [
    (r"^downsample\.", "downsample_layers."),
    (r"^(stages\.\d+\.\d+)\.conv\.", r"\1.dwconv."),
    *_WIDE_MLP,
    _NUMBERED_NORMS,
    _CLASSIFIER,
]
_CONVNEXT_TIMM = [
    (r"^norm\.", "head.norm."),
    (r"^downsample\.0\.", "stem."),
    (r"^stages\.(\d+)\.(\d+)\.", r"stages.\1.blocks.\2."),
    (r"^downsample\.(\d+)\.", r"stages.\1.downsample."),
    (r"(\.blocks\.\d+)\.conv\.", r"\1.conv_dw."),
]
_CONVNEXT_HUGGINGFACE = [
    (r"^norm\.", "layernorm."),
    (r"^(stages\.\d+\.\d+)\.conv\.", r"\1.dwconv."),
    (r"^(stages\.\d+\.\d+)\.norm\.", r"\1.layernorm."),
    *_WIDE_MLP,
    (r"\.gamma$", ".layer_scale_parameter"),
    (r"^downsample\.0\.0\.", "embeddings.patch_embeddings."),
    (r"^downsample\.0\.1\.", "embeddings.layernorm."),
    (r"^downsample\.(\d+)\.", r"encoder.stages.\1.downsampling_layer."),
    (r"^stages\.(\d+)\.(\d+)\.", r"encoder.stages.\1.layers.\2."),
]
_SWIN_BLOCKS = (r"^stages\.(\d+)\.(\d+)\.", r"layers.\1.blocks.\2.")
_SWIN_OFFICIAL = [
    _SWIN_BLOCKS,
    *((rf"^merges\.{i + 1}\.", f"layers.{i}.downsample.") for i in range(_MAX_STAGES)),
    _NUMBERED_NORMS,
    _CLASSIFIER,
]
_SWIN_TIMM = [_SWIN_BLOCKS, (r"^merges\.(\d+)\.", r"layers.\1.downsample.")]
# The names of files on the hub, which every version of transformers reads.
_SWIN_HUGGINGFACE = [
    (r"^norm\.", "layernorm."),
    (r"^patch_embed\.proj\.", "embeddings.patch_embeddings.projection."),
    (r"^patch_embed\.norm\.", "embeddings.norm."),
    (r"^absolute_pos_embed$", "embeddings.position_embeddings"),
    (r"\.norm1\.", ".layernorm_before."),
    (r"\.norm2\.", ".layernorm_after."),
    (r"\.attn\.proj\.", ".attention.output.dense."),
    (r"\.attn\.q\.", ".attention.self.query."),
    (r"\.attn\.k\.", ".attention.self.key."),
    (r"\.attn\.v\.", ".attention.self.value."),
    (r"\.attn\.relative", ".attention.self.relative"),
    (r"\.mlp\.fc1\.", ".intermediate.dense."),
    (r"\.mlp\.fc2\.", ".output.dense."),
    (r"^stages\.(\d+)\.(\d+)\.", r"encoder.layers.\1.blocks.\2."),
    *((rf"^merges\.{i + 1}\.", f"encoder.layers.{i}.downsample.") for i in range(_MAX_STAGES)),
]
_CSWIN_OFFICIAL = [
    (r"^downsample\.0\.0\.", "stage1_conv_embed.0."),
    (r"^downsample\.0\.1\.", "stage1_conv_embed.2."),
    (r"^downsample\.(\d+)\.0\.", r"merge\1.conv."),
    (r"^downsample\.(\d+)\.1\.", r"merge\1.norm."),
    (r"\.attn\.(qkv|proj)\.", r".\1."),
    *((rf"^stages\.{i}\.", f"stage{i + 1}.") for i in range(_MAX_STAGES)),
    *((rf"^out_norms\.{i}\.", f"norm{i + 1}.") for i in range(_MAX_STAGES)),
    _CLASSIFIER,
]
_CVT_OFFICIAL = [
    (r"^embeds\.(\d+)\.conv\.", r"stage\1.patch_embed.proj."),
    (r"^embeds\.(\d+)\.norm\.", r"stage\1.patch_embed.norm."),
    (r"^embeds\.(\d+)\.class_token$", r"stage\1.cls_token"),
    (r"^stages\.(\d+)\.(\d+)\.", r"stage\1.blocks.\2."),
    (r"_conv\.norm\.", "_conv.bn."),
    *((rf"\.{name}_conv\.", f".conv_proj_{name[0]}.") for name in ("query", "key", "value")),
    *((rf"\.{name}\.", f".proj_{name[0]}.") for name in ("query", "key", "value")),
    _CLASSIFIER,
]
_CVT_HUGGINGFACE = [
    (r"^norm\.", "layernorm."),
    (r"_conv\.conv\.", "_conv.convolution."),
    (r"_conv\.norm\.", "_conv.normalization."),
    (r"\.attn\.proj\.", ".attention.output.dense."),
    (r"\.attn\.(query|key|value)\.", r".attention.attention.projection_\1."),
    (
        r"\.attn\.(query|key|value)_conv\.",
        r".attention.attention.convolution_projection_\1.convolution_projection.",
    ),
    (r"\.norm1\.", ".layernorm_before."),
    (r"\.norm2\.", ".layernorm_after."),
    (r"\.mlp\.fc1\.", ".intermediate.dense."),
    (r"\.mlp\.fc2\.", ".output.dense."),
    (r"^stages\.(\d+)\.(\d+)\.", r"encoder.stages.\1.layers.\2."),
    (r"^embeds\.(\d+)\.class_token$", r"encoder.stages.\1.cls_token"),
    (r"^embeds\.(\d+)\.conv\.", r"encoder.stages.\1.embedding.convolution_embeddings.projection."),
    (
        r"^embeds\.(\d+)\.norm\.",
        r"encoder.stages.\1.embedding.convolution_embeddings.normalization.",
    ),
]
_TNT_OFFICIAL = [
    (r"^patch_embed\.proj\.", "proj."),
    (r"^patch_embed\.norm(\d)\.", r"proj_norm\1."),
    (r"^word_embed\.", "patch_embed.proj."),
    (r"^class_token$", "cls_token"),
    (r"\.words_to_patch\.proj\.", ".proj."),
    (r"\.words_to_patch\.norm(\d)\.", r".proj_norm\1."),
    (r"\.outer\.gate\.norm\.", ".se_layer.fc.0."),
    (r"\.outer\.gate\.fc1\.", ".se_layer.fc.1."),
    (r"\.outer\.gate\.fc2\.", ".se_layer.fc.3."),
    (r"\.(inner|outer)\.(norm\d|attn|mlp)\.", r".\1_\2."),
    _CLASSIFIER,
]
_TNT_TIMM = [
    (r"^patch_embed\.proj\.", "proj."),
    (r"^patch_embed\.norm(\d)\.", r"norm\1_proj."),
    (r"^word_embed\.", "pixel_embed.proj."),
    (r"^inner_pos$", "pixel_pos"),
    (r"^outer_pos$", "patch_pos"),
    (r"^class_token$", "cls_token"),
    (r"\.words_to_patch\.proj\.", ".proj."),
    (r"\.words_to_patch\.norm(\d)\.", r".norm\1_proj."),
    (r"\.inner\.norm1\.", ".norm_in."),
    (r"\.inner\.attn\.", ".attn_in."),
    (r"\.inner\.norm2\.", ".norm_mlp_in."),
    (r"\.inner\.mlp\.", ".mlp_in."),
    (r"\.outer\.norm1\.", ".norm_out."),
    (r"\.outer\.attn\.", ".attn_out."),
    (r"\.outer\.norm2\.", ".norm_mlp."),
    (r"\.outer\.mlp\.", ".mlp."),
    _CLASSIFIER,
]
_RMT_OFFICIAL = [
    (r"^proj_norm\.", "norm."),
    (r"^stem\.", "patch_embed.proj."),
    (r"^downsample\.(\d+)\.0\.", r"layers.\1.downsample.reduction."),
    (r"^downsample\.(\d+)\.1\.", r"layers.\1.downsample.norm."),
    (r"^priors\.(\d+)\.log_decay$", r"layers.\1.Relpos.decay"),
    (r"^stages\.(\d+)\.(\d+)\.", r"layers.\1.blocks.\2."),
    (r"\.pos\.", ".pos.conv."),
    (r"\.norm1\.", ".retention_layer_norm."),
    (r"\.norm2\.", ".final_layer_norm."),
    (r"\.attn\.([qkv])\.", r".retention.\1_proj."),
    (r"\.attn\.local\.", ".retention.lepe.conv."),
    (r"\.attn\.proj\.", ".retention.out_proj."),
    (r"\.ffn\.conv\.", ".ffn.dwconv.conv."),
    (r"\.gamma(\d)$", r".gamma_\1"),
    (r"^out_norms\.", "extra_norms."),
    _CLASSIFIER,
]
_HORNET_OFFICIAL = [
    (r"^downsample\.", "downsample_layers."),
    (r"\.gnconv\.mix\.conv\.", ".gnconv.dwconv.dw."),
    (r"\.gnconv\.mix\.grid$", ".gnconv.dwconv.complex_weight"),
    (r"\.gnconv\.mix\.", ".gnconv.dwconv."),
    (r"\.gnconv\.steps\.", ".gnconv.pws."),
    *_WIDE_MLP,
    _NUMBERED_NORMS,
    _CLASSIFIER,
]
# The names alone: some layers are split or joined besides.
OFFICIAL_RULES: dict[str, list[tuple[str, str]]] = {
    "convnext": _CONVNEXT_OFFICIAL,
    "swin": _SWIN_OFFICIAL,
    "cswin": _CSWIN_OFFICIAL,
    "cvt": _CVT_OFFICIAL,
    "tnt": _TNT_OFFICIAL,
    "rmt": _RMT_OFFICIAL,
    "hornet": _HORNET_OFFICIAL,
}
_POINTWISE = re.compile(r"\.gnconv\.(proj_in|proj_out|steps\.\d+)\.weight$")


def _by_rules(rules: Rules) -> Writer:
    """A writer that changes names alone."""
    fixed = list(rules)
    return lambda state, backbone: rename(state, fixed)


def split_rows(state: State, name: str, parts: Mapping[str, int]) -> dict[str, Tensor]:
    """Cut a fused projection, `.attn.NAME.`, into others; `parts` gives each its share of rows."""
    split = {}
    for key, tensor in state.items():
        if f".attn.{name}." not in key:
            split[key] = tensor
            continue
        unit = len(tensor) // sum(parts.values())
        rows = tensor.split([unit * share for share in parts.values()])
        for part, piece in zip(parts, rows, strict=True):
            split[key.replace(f".attn.{name}.", f".attn.{part}.")] = piece.clone()
    return split


def index_buffers(backbone: Any) -> dict[str, Tensor]:
    """The tables of indices of Swin's blocks, by our name of the block's attention."""
    return {
        f"stages.{i}.{j}.attn.relative_position_index": relative_positions(window)
        for i, (blocks, window) in enumerate(
            zip(backbone.stages, backbone.table_windows, strict=True)
        )
        for j in range(len(blocks))
    }


def _swin_official(state: State, backbone: Any) -> dict[str, Tensor]:
    full = {**state, **index_buffers(backbone)}
    position = full.get("absolute_pos_embed")
    if backbone.dense:
        if position is not None:  # the dense variant has (1, C, H, W)
            grid = position.transpose(1, 2).unflatten(2, backbone.position_grid)
            full["absolute_pos_embed"] = grid.contiguous()
        return rename(full, _SWIN_OFFICIAL)
    for i, blocks in enumerate(backbone.stages):
        size = tuple(side // 2**i for side in backbone.position_grid)
        window = backbone.table_windows[i]
        # A map of one window is not shifted there.
        if min(size) > window:
            mask = swin_attention_mask(size, window, window // 2)
            full |= {f"stages.{i}.{j}.attn_mask": mask.clone() for j in range(1, len(blocks), 2)}
    return rename(full, _SWIN_OFFICIAL)


def _with_model_prefix(state: State, prefix: str) -> dict[str, Tensor]:
    """Name the classifier, and put a prefix before all else where there is one."""
    named = rename(state, [(r"^head\.fc\.", "classifier.")])
    if not any(key.startswith("classifier.") for key in named):
        return named
    return {k if k.startswith("classifier.") else prefix + k: v for k, v in named.items()}


def _swin_huggingface(state: State, backbone: Any) -> dict[str, Tensor]:
    split = split_rows({**state, **index_buffers(backbone)}, "qkv", {"q": 1, "k": 1, "v": 1})
    renamed = rename(split, [*_SWIN_HUGGINGFACE, *_STAGE_NORMS])
    return _with_model_prefix(renamed, "swin.")


def _convnext_huggingface(state: State, backbone: Any) -> dict[str, Tensor]:
    rules = [*_CONVNEXT_HUGGINGFACE, *_STAGE_NORMS]
    return _with_model_prefix(rename(state, rules), "convnext.")


def _cvt_huggingface(state: State, backbone: Any) -> dict[str, Tensor]:
    named = rename(state, [*_CVT_HUGGINGFACE, (r"^head\.fc\.", "classifier.")])
    # Their classifier keeps the last norm beside the model, which a model alone does not have.
    whole = any(key.startswith("classifier.") for key in named)
    return rename(named, [(r"^encoder\.", "cvt.encoder.")] if whole else [])


def _cswin_official(state: State, backbone: Any) -> dict[str, Tensor]:
    """The depthwise kernels of a block belong to two branches, those of one window to one."""
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
    return rename(branched, _CSWIN_OFFICIAL)


def _is_one_window(backbone: Any, stage: int) -> bool:
    """Whether the authors' classifier gives a stage one branch, as its stripe covers the map."""
    split = backbone.stages[stage][0].attn.split_size
    return not backbone.dense and backbone.default_input.size[0] // (4 * 2**stage) == split


def _tnt_official(state: State, backbone: Any) -> dict[str, Tensor]:
    renamed = rename(split_rows(state, "qkv", {"qk": 2, "v": 1}), _TNT_OFFICIAL)
    outer = renamed["outer_pos"]
    # A parameter that nothing reads, zero in every checkpoint.
    return {**renamed, "outer_tokens": torch.zeros_like(outer[:, 1:])}


def _tnt_timm(state: State, backbone: Any) -> dict[str, Tensor]:
    renamed = rename(split_rows(state, "qkv", {"qk": 2, "v": 1}), _TNT_TIMM)
    table = renamed["pixel_pos"].transpose(1, 2)  # (1, c, S)
    side = round(table.shape[2] ** 0.5)
    return {**renamed, "pixel_pos": table.unflatten(2, (side, side)).contiguous()}


def _rmt_official(state: State, backbone: Any) -> dict[str, Tensor]:
    shaped = {
        key: tensor[None, None, None] if re.search(r"\.gamma\d$", key) else tensor
        for key, tensor in split_rows(state, "qk", {"q": 1, "k": 1}).items()
    }
    renamed = rename(shaped, _RMT_OFFICIAL)
    for i, prior in enumerate(backbone.priors):
        # Each angle serves two neighbouring channels.
        angle = torch.tensor(prior.frequencies, dtype=torch.float32).repeat_interleave(2)
        renamed[f"layers.{i}.Relpos.angle"] = angle
    return renamed


def _hornet_official(state: State, backbone: Any) -> dict[str, Tensor]:
    joined = {}
    for key, tensor in state.items():
        if ".gnconv.gate." in key:
            continue
        if ".gnconv.proj_in." in key:
            tensor = torch.cat([state[key.replace(".proj_in.", ".gate.")], tensor])
        if _POINTWISE.search(key):
            tensor = tensor[:, :, None, None]
        joined[key] = tensor
    return rename(joined, _HORNET_OFFICIAL)


WRITERS: dict[tuple[str, str], Writer] = {
    ("convnext", "official"): _by_rules(_CONVNEXT_OFFICIAL),
    ("convnext", "timm"): _by_rules(_CONVNEXT_TIMM),
    ("convnext", "huggingface"): _convnext_huggingface,
    ("swin", "official"): _swin_official,
    ("swin", "timm"): _by_rules(_SWIN_TIMM),
    ("swin", "huggingface"): _swin_huggingface,
    ("cswin", "official"): _cswin_official,
    ("cvt", "official"): _by_rules(_CVT_OFFICIAL),
    ("cvt", "huggingface"): _cvt_huggingface,
    ("tnt", "official"): _tnt_official,
    ("tnt", "timm"): _tnt_timm,
    ("rmt", "official"): _rmt_official,
    ("hornet", "official"): _hornet_official,
}
