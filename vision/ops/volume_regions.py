"""Regions of a volume that overlap, such as a tumour and its core, and the classes they consist of.

Letters: K regions; `...` the axes of a volume.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from vision.contracts.volumes import Regions
from vision.errors import ConfigError, listed, shown

HINT = "such as {'TC': [1, 3], 'WT': [1, 2, 3], 'ET': [3]}"


def check_regions(regions: Mapping[str, Sequence[int]], num_classes: int) -> Regions:
    """Check that regions can be learned, and painted into one class per cell.

    Args:
        regions: The indices of the classes of each region, by its name.
        num_classes: Number of classes, the background (index 0) included.

    Returns:
        The regions in the same order, with ascending indices.

    Raises:
        ConfigError: There is none, an index is no class or is the background, or a region has not
            exactly one class that no smaller region within it has.
    """
    if not isinstance(regions, Mapping) or not regions:
        raise ConfigError(f"regions={shown(regions)} must name one region or more, {HINT}.")
    found = {name: _indices(name, given, num_classes) for name, given in regions.items()}
    own_classes(found)
    return found


def _indices(name: Any, given: Any, num_classes: int) -> tuple[int, ...]:
    if not isinstance(name, str) or not name:
        raise ConfigError(f"the region {shown(name)} must have a text as its name, {HINT}.")
    indices = [*given] if isinstance(given, Sequence) and not isinstance(given, str) else []
    possible = all(type(index) is int and 0 < index < num_classes for index in indices)
    if not indices or not possible or len({*indices}) < len(indices):
        raise ConfigError(
            f"the region {name!r} has the classes {shown(given)}; expected indices from 1 to "
            f"{num_classes - 1}, each once (0 is the background)."
        )
    return tuple(sorted(indices))


def own_classes(regions: Regions) -> dict[str, int]:
    """The class that each region writes where it is painted, in the order of painting.

    Regions of many classes come first, so that those within them are painted over them.

    Args:
        regions: The regions.

    Returns:
        The class that belongs to the region and to no smaller region within it, by the region's
        name.

    Raises:
        ConfigError: That is not one class.
    """
    own: dict[str, int] = {}
    for name, classes in sorted(regions.items(), key=lambda item: -len(item[1])):
        rest = {*classes}
        for other, fewer in regions.items():
            if {*fewer} == {*classes} and other != name:
                raise ConfigError(
                    f"the regions {name!r} and {other!r} have the same classes "
                    f"({listed(classes)}): leave one out."
                )
            if {*fewer} < {*classes}:
                rest -= {*fewer}
        if len(rest) != 1:
            raise ConfigError(
                f"the region {name!r} of the classes {listed(classes)} has "
                f"{listed(sorted(rest)) or 'no class'} beside the smaller regions within it; "
                "exactly one class is needed, which its cells get. Choose regions that each add "
                f"one class to those within them, {HINT}."
            )
        own[name] = rest.pop()
    return own


def region_masks(mask: Tensor, regions: Regions) -> Tensor:
    """The cells of each region.

    Args:
        mask: Integers `(...)`, class index; ignored cells belong to no region.
        regions: The regions.

    Returns:
        bool `(K, ...)`.
    """
    masks = torch.zeros((len(regions), *mask.shape), dtype=torch.bool, device=mask.device)
    for found, classes in zip(masks, regions.values(), strict=True):
        for index in classes:
            found |= mask == index
    return masks


def paint_regions(found: Tensor, regions: Regions) -> Tensor:
    """One class per cell from the regions that were found, larger regions under smaller ones.

    Args:
        found: bool `(K, ...)`, the cells of each region in the order of `regions`.
        regions: The regions.

    Returns:
        uint8 `(...)` class index, 0 outside of all regions.

    Raises:
        ConfigError: A region has not exactly one class of its own (see `own_classes`).
    """
    places = {name: place for place, name in enumerate(regions)}
    mask = torch.zeros(found.shape[1:], dtype=torch.uint8, device=found.device)
    for name, index in own_classes(regions).items():
        mask[found[places[name]]] = index
    return mask
