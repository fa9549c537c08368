"""Grouping the elements of a batch that can be computed together."""

from collections.abc import Hashable, Iterable
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)


def places_by(keys: Iterable[Key]) -> dict[Key, list[int]]:
    """Indices of the elements with each key, both in order of appearance.

    Args:
        keys: One for each element of a batch, such as the size of its image.
    """
    groups: dict[Key, list[int]] = {}
    for place, key in enumerate(keys):
        groups.setdefault(key, []).append(place)
    return groups
