"""What several processes have found, brought together.

PyTorch is imported when it is needed: files are evaluated without it.
"""

from collections.abc import Mapping
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


def gather_rows(rows: Mapping[int, Share]) -> dict[int, Share]:
    """What all processes have of their images; every process must call it.

    Samplers that pad the shares of the processes to one length repeat images: each counts once, as
    the process of the lowest rank has it.

    Args:
        rows: What this process has, by the number of the image; it is pickled.

    Returns:
        That of all processes, by ascending number, the same on every process.
    """
    shares = gather_shares(rows)
    whole = {number: row for share in reversed(shares) for number, row in share.items()}
    return dict(sorted(whole.items()))


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
