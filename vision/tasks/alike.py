"""Images of a batch that can be run together without padding."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch

from vision.ops.grouping import places_by


def alike(
    batch: Mapping[str, Any],
) -> Iterator[tuple[list[int], tuple[int, int], tuple[int, int]]]:
    """Indices of the images that share size and original size, with the two sizes.

    Args:
        batch: Has `size` and `original_size`, int64 `(B, 2)`.
    """
    sizes = torch.stack([batch["size"], batch["original_size"]], dim=1).tolist()
    groups = places_by((tuple(size), tuple(original)) for size, original in sizes)
    for (size, original), places in groups.items():
        yield places, size, original
