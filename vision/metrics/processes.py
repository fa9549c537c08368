"""What several processes have found, brought together."""

from typing import TypeVar

from torch import distributed

Share = TypeVar("Share")


def gather_shares(share: Share) -> list[Share]:
    """The objects of all processes, by rank; every process must call it.

    Args:
        share: What this process has; it is pickled.

    Returns:
        The same list on every process.
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return [share]
    shares: list[Share] = [share] * distributed.get_world_size()
    distributed.all_gather_object(shares, share)
    return shares
