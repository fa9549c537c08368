"""What several processes have found, brought together.

PyTorch is imported when it is needed: files are evaluated without it.
"""

from typing import TypeVar

import numpy as np

Share = TypeVar("Share")


def gather_shares(share: Share) -> list[Share]:
    """The objects of all processes, by rank; every process must call it.

    Args:
        share: What this process has; it is pickled.

    Returns:
        The same list on every process.
    """
    from torch import distributed

    if not (distributed.is_available() and distributed.is_initialized()):
        return [share]
    shares: list[Share] = [share] * distributed.get_world_size()
    distributed.all_gather_object(shares, share)
    return shares


def sum_arrays(counts: np.ndarray) -> np.ndarray:
    """Add up the arrays of all processes; every process must call it.

    Args:
        counts: int64 or float64, of one shape on every process.

    Returns:
        The same type, the same on every process.
    """
    import torch

    from vision.metrics.confusion import sum_over_processes

    total: np.ndarray = sum_over_processes(torch.from_numpy(counts)).numpy()
    return total
