"""Swin, ConvNeXt and CvT of transformers with our sizes and weights."""

from typing import Any

from torch import Tensor, nn

from vision.backbones.base import Backbone
from vision.benchmarks.peers.base import Peer
from vision.weights.names.write import to_naming


class TransformersPeer(Peer):
    """A backbone of transformers, up to the vector of its pooler.

    Args:
        ours: A `Swin` or `ConvNeXt`.
        size: Height and width of the images.
    """

    def __init__(self, ours: Backbone, size: tuple[int, int]) -> None:
        super().__init__()
        self.model = {"swin": _swin, "convnext": _convnext}[ours.family](ours, size)

    def copy_weights(self, ours: Backbone) -> None:
        """Take over all weights; tables of indices are those of transformers."""
        self.model = fill(self.model, to_naming(ours, "huggingface"))

    def forward(self, images: Tensor) -> Tensor:
        """`(B, 3, H, W)` to `(B, embed_dim)`."""
        return self.model(images).pooler_output


class CvtPeer(Peer):
    """CvT of transformers and the norm that its classifier adds, up to the class token.

    Its activation is GELU, so that outputs equal those of ours with `act="gelu"`.

    Args:
        ours: A `CvT` whose last stage has a class token.
        size: Height and width of the images, which nothing here depends on.
    """

    def __init__(self, ours: Backbone, size: tuple[int, int]) -> None:
        super().__init__()
        self.model = _cvt(ours)
        self.norm = nn.LayerNorm(ours.embed_dim)

    def copy_weights(self, ours: Backbone) -> None:
        """Take over all weights and buffers."""
        state = to_naming(ours, "huggingface")
        for name in ("weight", "bias"):
            getattr(self.norm, name).data.copy_(state.pop(f"layernorm.{name}"))
        self.model = fill(self.model, state)

    def forward(self, images: Tensor) -> Tensor:
        """`(B, 3, H, W)` to `(B, embed_dim)`."""
        return self.norm(self.model(images).cls_token_value).mean(dim=1)


def fill(model: Any, state: dict[str, Tensor]) -> Any:
    """The model with weights under the names that its files have; those in memory differ."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        filled, report = type(model).from_pretrained(
            None, config=model.config, state_dict=state, output_loading_info=True
        )
    finally:
        if shown:
            logging.enable_progress_bar()
    lacking = sorted(report["missing_keys"])
    assert not lacking, lacking
    return filled


def _swin_config(ours: Any, size: tuple[int, int], **options: Any) -> Any:
    from transformers import SwinConfig

    return SwinConfig(
        image_size=size,
        embed_dim=ours.feature_specs[0].channels,
        depths=[len(blocks) for blocks in ours.stages],
        num_heads=list(ours.num_heads),
        window_size=ours.table_windows[0],
        drop_path_rate=0.0,
        **options,
    )


def _convnext_config(ours: Any, size: tuple[int, int], **options: Any) -> Any:
    from transformers import ConvNextConfig

    return ConvNextConfig(
        depths=[len(blocks) for blocks in ours.stages],
        hidden_sizes=[spec.channels for spec in ours.feature_specs],
        # A backbone for dense prediction has no norm of the vector, and the usual epsilon.
        **({"layer_norm_eps": ours.norm.eps} if ours.norm is not None else {}),
        **options,
    )


# Configurations of transformers for a backbone of ours and the size of the images, by family.
CONFIGS = {"swin": _swin_config, "convnext": _convnext_config}


def _swin(ours: Any, size: tuple[int, int]) -> Any:
    from transformers import SwinModel

    return SwinModel(_swin_config(ours, size))


def _convnext(ours: Any, size: tuple[int, int]) -> Any:
    from transformers import ConvNextModel

    return ConvNextModel(_convnext_config(ours, size))


def _cvt(ours: Any) -> Any:
    from transformers import CvtConfig, CvtModel

    stages = [blocks[0].attn for blocks in ours.stages]
    config = CvtConfig(
        embed_dim=[spec.channels for spec in ours.feature_specs],
        depth=[len(blocks) for blocks in ours.stages],
        num_heads=[attn.num_heads for attn in stages],
        cls_token=[attn.num_class_tokens > 0 for attn in stages],
        drop_path_rate=[0.0] * len(stages),
    )
    return CvtModel(config)
