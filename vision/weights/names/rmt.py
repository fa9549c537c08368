"""RMT weights: the names of qhfan/RMT."""

from typing import Any

import torch
from torch import Tensor, nn

from vision.errors import ConfigError
from vision.weights.names.operations import State, dropped, each, join
from vision.weights.names.published import OptionReader, PublishedModel, Source
from vision.weights.names.table import Names, within


def _angles(state: State, backbone: Any) -> dict[str, Tensor]:
    """The angles, which follow from the options; each serves two neighbouring channels."""
    frequencies = [torch.tensor(prior.frequencies) for prior in backbone.priors]
    return {
        f"priors.{i}.angle": angles.float().repeat_interleave(2)
        for i, angles in enumerate(frequencies)
    }


TABLES = {
    # The auxiliary classifier of a model trained with token labels keeps its name.
    "official": Names(
        [
            ("patch_embed.proj.", "stem."),
            ("layers.{i}.downsample.reduction.", "downsample.{i}.0."),
            ("layers.{i}.downsample.norm.", "downsample.{i}.1."),
            ("layers.{i}.Relpos.decay", "priors.{i}.log_decay"),
            ("layers.{i}.Relpos.angle", "priors.{i}.angle"),
            *within(
                "layers.{i}.blocks.{j}.",
                "stages.{i}.{j}.",
                ("pos.conv.", "pos."),
                ("retention_layer_norm.", "norm1."),
                ("final_layer_norm.", "norm2."),
                *((f"retention.{part}_proj.", f"attn.{part}.") for part in "qkv"),
                ("retention.lepe.conv.", "attn.local."),
                ("retention.out_proj.", "attn.proj."),
                ("ffn.dwconv.conv.", "ffn.conv."),
                ("gamma_{n}", "gamma{n}"),
                ("", ""),
            ),
            ("norm.", "proj_norm."),
            ("extra_norms.", "out_norms."),
            ("head.", "head.fc."),
        ],
        [
            dropped(r"^priors\.\d+\.angle$", _angles),
            each(r"\.gamma[12]$", lambda scale: scale.flatten(), lambda s, _: s[None, None, None]),
            join(".attn.qk.", {".attn.q.": 1, ".attn.k.": 1}),
        ],
    )
}


def naming(keys: set[str]) -> str:
    """Tell whose key names these are by the name of the first convolution."""
    return "ours" if "stem.0.weight" in keys else "official"


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
    # The defaults of the authors' class match none of its variants.
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
