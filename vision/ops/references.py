"""Places of queries, as shares of the image, and how layers move them.

B counts images, Q queries, N numbers of a box.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

# Nearest that a share may be to an end before its logit is taken.
EPS = 1e-5


def refine(references: Tensor, change: Tensor, *, eps: float = EPS) -> Tensor:
    """Move points or boxes, in the space before the sigmoid.

    Args:
        references: float `(B, Q, 2)` points or `(B, Q, N)` boxes, in [0, 1].
        change: float `(B, Q, N)`; to a point it also gives its size.
        eps: As in `inverse_sigmoid`.

    Returns:
        float `(B, Q, N)` boxes in (0, 1): (x, y, left, right, top, bottom) for 6 numbers, (x, y,
        width, height) for 4.
    """
    known = inverse_sigmoid(references, eps=eps)
    return (F.pad(known, (0, change.shape[-1] - known.shape[-1])) + change).sigmoid()


def inverse_sigmoid(x: Tensor, *, eps: float = EPS) -> Tensor:
    """Logits of shares in [0, 1]; those nearer than `eps` to an end are as far from it."""
    low, high = x.clamp(min=eps, max=1), (1 - x).clamp(min=eps, max=1)
    return torch.log(low / high)
