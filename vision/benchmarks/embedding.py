"""The vector of a backbone as the call of a module, which benchmarks step and wrap."""

from torch import Tensor, nn

from vision.backbones.base import Backbone


class Embedding(nn.Module):
    """A backbone whose forward pass is that of a classifier, without its last layer.

    Args:
        backbone: The backbone.
    """

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, images: Tensor) -> Tensor:
        """Embed images `(B, C, H, W)` as `(B, embed_dim)`."""
        return self.backbone.embed(images)
