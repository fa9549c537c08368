"""The largest connected component of regions of a volume."""

import numpy as np
import torch
from torch import Tensor


def keep_largest(found: Tensor) -> Tensor:
    """Keep the largest connected component of each region; of equal ones the first.

    Args:
        found: bool `(K, D, H, W)`, the cells of each region. Cells that touch by a face, an edge or
            a corner are connected.

    Returns:
        bool `(K, D, H, W)`, on the same device.
    """
    from scipy.ndimage import label

    kept = []
    for region in found.cpu().numpy():
        components, count = label(region, structure=np.ones((3, 3, 3)))
        if count > 1:
            sizes = np.bincount(components.ravel())
            sizes[0] = 0  # the cells outside of the region
            region = components == sizes.argmax()
        kept.append(torch.from_numpy(np.ascontiguousarray(region)))
    return torch.stack(kept).to(found.device)
