"""timm's Swin, ConvNeXt and TNT with our sizes and weights."""

from typing import Any

from torch import Tensor

from vision.backbones.base import Backbone
from vision.benchmarks.peers.base import Peer
from vision.weights.names.write import to_naming


class TimmPeer(Peer):
    """A classifier of timm without its last layer.

    Args:
        ours: A `Swin`, `ConvNeXt` or `TNT`.
        size: Height and width of the images.
    """

    def __init__(self, ours: Backbone, size: tuple[int, int]) -> None:
        super().__init__()
        build = {"swin": _swin, "convnext": _convnext, "tnt": _tnt}[ours.family]
        self.model = build(ours, size)

    def copy_weights(self, ours: Backbone) -> None:
        """Take over all weights; tables of indices are timm's own."""
        state = to_naming(ours, "timm")
        # With no classes timm's ConvNeXt normalises in its head all the same.
        self.model.load_state_dict(state)

    def forward(self, images: Tensor) -> Tensor:
        """`(B, 3, H, W)` to `(B, embed_dim)`."""
        return self.model(images)


def _swin(ours: Any, size: tuple[int, int]) -> Any:
    from timm.models.swin_transformer import SwinTransformer

    return SwinTransformer(
        img_size=size,
        num_classes=0,
        embed_dim=ours.feature_specs[0].channels,
        depths=tuple(len(blocks) for blocks in ours.stages),
        num_heads=ours.num_heads,
        window_size=ours.table_windows[0],
        drop_path_rate=0.0,
    )


def _convnext(ours: Any, size: tuple[int, int]) -> Any:
    from timm.models.convnext import ConvNeXt

    return ConvNeXt(
        num_classes=0,
        depths=tuple(len(blocks) for blocks in ours.stages),
        dims=tuple(spec.channels for spec in ours.feature_specs),
    )


def _tnt(ours: Any, size: tuple[int, int]) -> Any:
    from timm.models.tnt import TNT

    block = ours.blocks[0]
    return TNT(
        img_size=size,
        num_classes=0,
        patch_size=ours.patch_size,
        embed_dim=ours.embed_dim,
        inner_dim=ours.word_embed.out_channels,
        first_stride=ours.word_embed.stride[0],
        depth=len(ours.blocks),
        num_heads_inner=block.inner.attn.num_heads,
        num_heads_outer=block.outer.attn.num_heads,
    )
