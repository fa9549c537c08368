"""What every other implementation of a backbone's classifier offers to the benchmarks."""

from abc import abstractmethod

from torch import Tensor, nn

from vision.backbones.base import Backbone


class Peer(nn.Module):
    """Another implementation of a backbone, up to the vector that its classifier reads.

    A peer is built for a backbone of ours and has its sizes; `copy_weights` then gives it the
    backbone's weights, so that both compute the same. Nothing is dropped in training on either
    side.
    """

    @abstractmethod
    def copy_weights(self, ours: Backbone) -> None:
        """Take over all weights and buffers of the backbone that this peer was built for."""

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor:
        """What `ours.embed` computes: normalised images `(B, 3, H, W)` to `(B, embed_dim)`."""
