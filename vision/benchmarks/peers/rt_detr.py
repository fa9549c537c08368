"""RT-DETR's encoder in transformers, with the weights of ours."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from vision.heads.detection.hybrid_encoder import HybridEncoder
from vision.weights.names.table import Names

DIM = 256
_FUSION = [
    ("conv1.", "deep."),
    ("conv2.", "shallow."),
    ("conv3.", "output."),
    ("bottlenecks.{i}.conv1.", "blocks.{i}.wide."),
    ("bottlenecks.{i}.conv2.", "blocks.{i}.narrow."),
]
_LAYER = "aifi.0.layers.0."
NAMES = Names(
    [
        ("lateral_convs.{j}.", "laterals.{j}."),
        ("downsample_convs.{j}.", "halvings.{j}."),
        *((f"fpn_blocks.{{j}}.{theirs}", f"top_down.{{j}}.{ours}") for theirs, ours in _FUSION),
        *((f"pan_blocks.{{j}}.{theirs}", f"bottom_up.{{j}}.{ours}") for theirs, ours in _FUSION),
        (f"{_LAYER}self_attn.o_proj.", "attention.attention.output."),
        (f"{_LAYER}self_attn_layer_norm.", "attention.norm1."),
        (f"{_LAYER}final_layer_norm.", "attention.norm2."),
        (f"{_LAYER}mlp.fc1.", "attention.mlp.fc1."),
        (f"{_LAYER}mlp.fc2.", "attention.mlp.fc2."),
    ]
)


def their_encoder(ours: HybridEncoder, **config: Any) -> nn.Module:
    """The encoder of transformers with the weights of ours.

    Args:
        ours: Our encoder.
        **config: Fields of transformers' `RTDetrConfig` that give it the same sizes.
    """
    from transformers import RTDetrConfig
    from transformers.models.rt_detr.modeling_rt_detr import RTDetrHybridEncoder

    theirs: nn.Module = RTDetrHybridEncoder(RTDetrConfig(**config))
    weights = NAMES.write(ours.state_dict())
    for part in ("weight", "bias"):
        rows = weights.pop(f"attention.attention.qkv.{part}").chunk(3)
        for name, tensor in zip("qkv", rows, strict=True):
            weights[f"{_LAYER}self_attn.{name}_proj.{part}"] = tensor
    theirs.load_state_dict(weights)
    return theirs


class Encoders(nn.Module):
    """Both encoders at their published sizes, with the same weights."""

    def __init__(self) -> None:
        super().__init__()
        ours = HybridEncoder(dim=DIM)
        _spread(ours)
        self.sides = nn.ModuleList([ours, their_encoder(ours)])

    def forward(self, maps: Sequence[Tensor], side: int) -> list[Tensor]:
        """Maps `(B, D, h, w)`, finest first, as ours (0) or theirs (1) encodes them."""
        if side == 0:
            return [*self.sides[0](maps)]
        return [*self.sides[1](list(maps)).last_hidden_state]


@torch.no_grad()
def _spread(encoder: nn.Module) -> None:
    """Move norms away from their initial values, which would hide wrong ones."""
    for module in encoder.modules():
        if isinstance(module, nn.BatchNorm2d | nn.LayerNorm):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
