"""What the literal forms share: an owner of the weights, and the operations that papers name."""

import copy
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from vision.backbones.base import Backbone
from vision.benchmarks.peers.base import Peer


class LiteralPeer(Peer):
    """A network as the equations of its paper read, in plain operators of PyTorch.

    It holds a copy of the backbone for its weights alone: nothing but their values, and the
    settings that the paper calls hyper-parameters, is read from it. Maps are `(B, C, H, W)` as in
    the papers, heads and stripes are taken one by one, and scores and their softmax are computed
    in the open. It serves as a second truth for the backbone, and as the peer of the networks that
    no common library has; it is not the authors' code, which batches heads.

    Args:
        ours: The backbone.
        size: Height and width of the images, which nothing here depends on.
    """

    def __init__(self, ours: Backbone, size: tuple[int, int] | None = None) -> None:
        super().__init__()
        self.parts: Any = copy.deepcopy(ours)

    def copy_weights(self, ours: Backbone) -> None:
        """Take over all weights and buffers."""
        self.parts.load_state_dict(ours.state_dict())


def normalize_channels(x: Tensor, norm: Any) -> Tensor:
    """Layer normalisation of the channels of `x` `(B, C, H, W)`, from its definition."""
    mean = x.mean(dim=1, keepdim=True)
    variance = (x - mean).square().mean(dim=1, keepdim=True)
    x = (x - mean) / (variance + norm.eps).sqrt()
    return x * norm.weight[:, None, None] + norm.bias[:, None, None]


def project(x: Tensor, linear: Any) -> Tensor:
    """A linear layer on the channels of `x` `(B, C, H, W)`, as a convolution of 1 x 1."""
    return F.conv2d(x, linear.weight[:, :, None, None], linear.bias)


def scale_channels(x: Tensor, gamma: Tensor | None) -> Tensor:
    """Multiply the channels of `x` `(B, C, H, W)` by their scales, if there are any."""
    return x if gamma is None else x * gamma[:, None, None]


def attend(q: Tensor, k: Tensor, v: Tensor, *, scale: float, bias: Tensor | None = None) -> Tensor:
    """`softmax(q k^T scale + bias) v` of one head, with tokens `(..., N, D)`."""
    scores = q @ k.transpose(-1, -2) * scale
    return (scores if bias is None else scores + bias).softmax(dim=-1) @ v


def join(blocks: list[list[Tensor]]) -> Tensor:
    """Maps of the cells of a grid, row by row, as one map."""
    return torch.cat([torch.cat(row, dim=-1) for row in blocks], dim=-2)
