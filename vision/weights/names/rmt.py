"""RMT weights: the names of qhfan/RMT to ours."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from vision.errors import ConfigError
from vision.weights.names.published import OptionReader, PublishedModel, Source
from vision.weights.names.rename import drop, rename

# The angles follow from the options.
_DERIVED = r"\.Relpos\.angle$"
_RULES = [
    (r"^patch_embed\.proj\.", "stem."),
    (r"^layers\.(\d+)\.downsample\.reduction\.", r"downsample.\1.0."),
    (r"^layers\.(\d+)\.downsample\.norm\.", r"downsample.\1.1."),
    (r"^layers\.(\d+)\.blocks\.(\d+)\.", r"stages.\1.\2."),
    (r"^layers\.(\d+)\.Relpos\.decay$", r"priors.\1.log_decay"),
    (r"\.pos\.conv\.", ".pos."),
    (r"\.retention_layer_norm\.", ".norm1."),
    (r"\.final_layer_norm\.", ".norm2."),
    (r"\.retention\.(q|k|v)_proj\.", r".attn.\1."),
    (r"\.retention\.lepe\.conv\.", ".attn.local."),
    (r"\.retention\.out_proj\.", ".attn.proj."),
    (r"\.ffn\.dwconv\.conv\.", ".ffn.conv."),
    (r"\.gamma_(\d)$", r".gamma\1"),
    (r"^norm\.", "proj_norm."),
    (r"^extra_norms\.(\d+)\.", r"out_norms.\1."),
    (r"^head\.", "head.fc."),
]
_QUERY = re.compile(r"\.attn\.q\.(weight|bias)$")


def naming(keys: set[str]) -> str:
    """Tell whose key names these are by the name of the first convolution."""
    return "ours" if "stem.0.weight" in keys else "official"


def convert(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the keys of a state dict to ours and join queries with keys.

    The classifier becomes `head.fc`; the auxiliary classifier of a model trained with token labels
    keeps its name.
    """
    if naming(set(state)) == "ours":
        return dict(state)
    renamed = rename(drop(state, _DERIVED), _RULES)
    converted = {}
    for name, tensor in renamed.items():
        if name.endswith((".gamma1", ".gamma2")):
            tensor = tensor.flatten()
        if _QUERY.search(name):
            other = renamed.get(name.replace(".attn.q.", ".attn.k."))
            if other is not None:
                name = name.replace(".attn.q.", ".attn.qk.")
                tensor = torch.cat((tensor, other))
        converted[name] = tensor
    joined = [name for name in converted if ".attn.qk." in name]
    for name in joined:
        converted.pop(name.replace(".attn.qk.", ".attn.k."), None)
    return converted


def resize(name: str, tensor: Tensor, target: Tensor, backbone: nn.Module) -> Tensor | None:
    """Nothing among RMT's weights depends on the image size."""
    return None


def read_options(reader: OptionReader, source: Source) -> PublishedModel:
    """Translate the constructor options of the authors' classes, classifier and dense variant."""
    if source != "official":
        raise ConfigError(f"RMT has no {source} implementation; give the authors' options.")
    options = reader.rename(
        {
            "in_chans": "in_channels",
            "embed_dims": "dims",
            "depths": "depths",
            "num_heads": "num_heads",
            "mlp_ratios": "mlp_ratios",
            "drop_path_rate": "drop_path_rate",
            "layerscales": "layer_scales",
            "layer_init_values": "layer_init_value",
            "projection": "projection",
            "out_indices": "out_indices",
        }
    )
    # The defaults of the authors' class are those of none of its variants.
    stages = len(options.get("depths", (0, 0, 0, 0)))
    options.setdefault("dims", (96, 192, 384, 768))
    options.setdefault("depths", (2, 2, 6, 2))
    options.setdefault("num_heads", (3, 6, 12, 24))
    options.setdefault("mlp_ratios", (3,) * stages)
    options["init_values"] = reader.take("init_values", (1,) * stages)
    options["head_ranges"] = reader.take("heads_ranges", (3,) * stages)
    options["decomposed"] = reader.take("chunkwise_recurrents", (True, True, False, False))
    # Accepted by the authors' classes but read by none of their layers.
    reader.ignore("norm_layer", "patch_norm")
    # Memory, and which parts are trained, are settings of a run.
    reader.ignore("use_checkpoint", "use_checkpoints", "norm_eval", "frozen_stages")
    for name in ("norm_cfg", "init_cfg", "pretrained"):
        reader.expect(name, None)
    return PublishedModel(options, reader.take("num_classes", 1000))
