"""The images of several splits, each once."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol, Self, TypeVar

import numpy as np


class Part(Protocol):
    """The images of a split, or some of them."""

    @property
    def images(self) -> Sequence[str]:
        """Path of each image."""

    @property
    def has_targets(self) -> bool:
        """Whether there is a ground truth."""

    def take(self, chosen: np.ndarray) -> Self:
        """The images at some indices, int64 `(n,)`."""


Index = TypeVar("Index", bound=Part)


def unique_parts(indices: Mapping[str, Index]) -> Iterator[tuple[str, Index]]:
    """The images of each split that no other one before it has, those with a ground truth first.

    Args:
        indices: The splits, by name.
    """
    seen: set[str] = set()
    for split, index in sorted(indices.items(), key=lambda item: not item[1].has_targets):
        own = []
        for place, path in enumerate(index.images):
            if path not in seen:
                seen.add(path)
                own.append(place)
        yield split, index.take(np.array(own, dtype=np.int64))
