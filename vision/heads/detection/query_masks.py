"""Masks of queries: a code of each, and a fine map whose dot products with it are a mask.

Letters: B images, Q queries, D width and also detections of an image, C channels of masks, G cells
along each side of the grid of a mask.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vision.layers.norm import LayerNorm2d
from vision.layers.perceptron import Perceptron
from vision.ops.boxes import at_least_float32

# Stride of the map.
STRIDE = 4
# Cells along each side of the grid of a mask that spans its box: as many as the map has in a box of
# 256 pixels.
MASK_SIDE = 64


class QueryMasks(nn.Module):
    """The mask branch of a query detector.

    "Mask DINO: Towards A Unified Transformer-based Framework for Object Detection and
    Segmentation", Li et al., 2022, https://arxiv.org/abs/2206.02777, section 3.3: the backbone's
    map of stride 4 plus the encoder's finest map, enlarged. So that nothing depends on padding,
    norms are over the channels of each cell, there over groups of channels of the whole map, and
    the enlarged map repeats its cells, there it lies between them.

    Args:
        in_channels: Channels of the map of stride 4.
        dim: Width of queries and of the encoder's maps, and the channels C of masks.
    """

    def __init__(self, in_channels: int, *, dim: int) -> None:
        super().__init__()
        self.lateral = nn.Conv2d(in_channels, dim, 1, bias=False)
        self.lateral_norm = LayerNorm2d(dim)
        self.merge = nn.Conv2d(dim, dim, 3, padding=1, bias=False)
        self.merge_norm = LayerNorm2d(dim)
        self.output = nn.Conv2d(dim, dim, 1)
        self.codes = Perceptron(dim, dim, depth=3)
        self.reset_parameters()

    def forward(self, fine: Tensor, memory: Tensor, padding: Tensor | None = None) -> Tensor:
        """Features of masks.

        Args:
            fine: float `(B, in_channels, h, w)` of stride 4.
            memory: float `(B, dim, h', w')`, the encoder's finest map, of that stride or coarser.
            padding: bool `(B, h, w)`, cells of padding, which are not seen; None for none.

        Returns:
            float `(B, C, h, w)`; the dot product of a cell with a code of `codes` is the logit of
            its mask there.
        """
        larger = F.interpolate(memory, size=fine.shape[-2:], mode="nearest")
        x = self.lateral_norm(self.lateral(fine)) + larger
        if padding is not None:
            x = x.masked_fill(padding[:, None], 0)
        return self.output(F.relu(self.merge_norm(self.merge(x))))

    def reset_parameters(self) -> None:
        """Initialise the parameters: Xavier's range for convolutions, no biases."""
        for conv in (self.lateral, self.merge, self.output):
            nn.init.xavier_uniform_(conv.weight)
            if conv.bias is not None:
                nn.init.zeros_(conv.bias)
        for norm in (self.lateral_norm, self.merge_norm):
            norm.reset_parameters()
        for layer in self.codes.layers:
            assert isinstance(layer, nn.Linear), "it is made of them"
            layer.reset_parameters()


def masks_in_boxes(features: Tensor, codes: Tensor, boxes: Tensor, sizes: Tensor) -> Tensor:
    """Masks on grids that span their boxes, as `Detections` has them.

    Logits are interpolated bilinearly between the cells of the valid image. Along each axis that is
    a product with a matrix, so that an export needs no operator that samples maps.

    Args:
        features: float `(B, C, h, w)` of stride 4.
        codes: float `(B, D, C)` of the detections; the products are in the type of `features`.
        boxes: float `(B, D, 4)`, `(x1, y1, x2, y2)` in pixels of the padded image.
        sizes: int64 `(B, 2)` valid height and width of each image in pixels.

    Returns:
        float32 `(B, D, G, G)`, probabilities in [0, 1].
    """
    boxes = at_least_float32(boxes)
    maps = at_least_float32(torch.einsum("bdc,bchw->bdhw", codes.to(features.dtype), features))
    height, width = sizes.to(boxes.dtype).unbind(dim=-1)
    rows = _weights(boxes[..., 1], boxes[..., 3], height, maps.shape[2])  # (B, D, G, h)
    columns = _weights(boxes[..., 0], boxes[..., 2], width, maps.shape[3])  # (B, D, G, w)
    return (rows @ maps.to(rows.dtype) @ columns.transpose(-2, -1)).sigmoid()


def _weights(low: Tensor, high: Tensor, valid: Tensor, cells: int) -> Tensor:
    """The weight of each cell of one axis in each cell of the grids.

    Args:
        low: float `(B, D)`, where the boxes begin, in pixels.
        high: The same, where they end.
        valid: float `(B,)` pixels of the valid image.
        cells: Cells of the map.

    Returns:
        float `(B, D, G, cells)`, at most two of a row above zero; their sum is one.
    """
    share = (torch.arange(MASK_SIDE, dtype=low.dtype, device=low.device) + 0.5) / MASK_SIDE
    place = (low[..., None] + share * (high - low)[..., None]) / STRIDE - 0.5  # (B, D, G)
    last = (valid / STRIDE).ceil() - 1
    place = torch.minimum(place.clamp(min=0), last[:, None, None])
    cell = torch.arange(cells, dtype=low.dtype, device=low.device)
    return (1 - (place[..., None] - cell).abs()).clamp(min=0)
