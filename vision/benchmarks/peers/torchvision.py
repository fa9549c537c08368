"""torchvision's Swin and ConvNeXt with our sizes and weights."""

from typing import Any

from torch import Tensor, nn

from vision.backbones.base import Backbone
from vision.benchmarks.peers.base import Peer
from vision.weights.names.operations import each
from vision.weights.names.table import Names, within

_MERGES = ("features.{2*i}.", "merges.{i}.")
NAMES = {
    "swin": Names(
        [
            ("features.0.0.", "patch_embed.proj."),
            ("features.0.2.", "patch_embed.norm."),
            *within(
                "features.{2*i+1}.{j}.",
                "stages.{i}.{j}.",
                ("mlp.0.", "mlp.fc1."),
                ("mlp.3.", "mlp.fc2."),
                ("", ""),
            ),
            _MERGES,
        ],
    ),
    "convnext": Names(
        [
            *within(
                "features.{2*i+1}.{j}.",
                "stages.{i}.{j}.",
                ("block.0.", "conv."),
                ("block.2.", "norm."),
                ("block.3.", "mlp.fc1."),
                ("block.5.", "mlp.fc2."),
                ("layer_scale", "gamma"),
            ),
            ("features.{2*i}.", "downsample.{i}."),
            ("classifier.0.", "norm."),
        ],
        [each(r"\.gamma$", lambda x: x.flatten(), lambda x, _: x[:, None, None])],
    ),
}


class TorchvisionPeer(Peer):
    """A classifier of torchvision without its last layer.

    Args:
        ours: A `Swin` or `ConvNeXt`.
        size: Height and width of the images, which nothing here depends on.
    """

    def __init__(self, ours: Backbone, size: tuple[int, int]) -> None:
        super().__init__()
        self.model = {"swin": _swin, "convnext": _convnext}[ours.family](ours)

    def copy_weights(self, ours: Backbone) -> None:
        """Take over all weights; tables of indices are torchvision's own."""
        state = NAMES[ours.family].write(ours.state_dict())
        indices = {k: v for k, v in self.model.state_dict().items() if k.endswith("position_index")}
        self.model.load_state_dict({**state, **indices})

    def forward(self, images: Tensor) -> Tensor:
        """`(B, 3, H, W)` to `(B, embed_dim)`."""
        return self.model(images)


def _swin(ours: Any) -> Any:
    from torchvision.models.swin_transformer import SwinTransformer

    patch, window = ours.patch_embed.patch_size, ours.table_windows[0]
    model = SwinTransformer(
        patch_size=[patch, patch],
        embed_dim=ours.feature_specs[0].channels,
        depths=[len(blocks) for blocks in ours.stages],
        num_heads=list(ours.num_heads),
        window_size=[window, window],
        stochastic_depth_prob=0.0,
    )
    model.head = nn.Identity()
    return model


def _convnext(ours: Any) -> Any:
    from torchvision.models.convnext import CNBlockConfig, ConvNeXt

    widths: list[int | None] = [spec.channels for spec in ours.feature_specs]
    depths = [len(blocks) for blocks in ours.stages]
    rows = zip(widths, [*widths[1:], None], depths, strict=True)
    model = ConvNeXt([CNBlockConfig(*row) for row in rows])
    model.classifier[2] = nn.Identity()
    return model
