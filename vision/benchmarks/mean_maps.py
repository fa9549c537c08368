"""What is known of the depth and normals of a dataset before an image is looked at.

The means of the training maps, one for all pixels and one for each place in the image, are
predictions too: a model that has learnt something is better than both.

Letters: C channels, H rows, W columns.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch

from vision.data.base.dense import DenseData
from vision.data.datasets.nyuv2 import NYUv2
from vision.data.datasets.nyuv2_normals import NYUv2Normals
from vision.errors import DataError
from vision.metrics.depth_evaluator import DepthEvaluator
from vision.metrics.depth_protocol import DepthProtocol
from vision.metrics.normals import NormalsEvaluator
from vision.metrics.normals_maps import angles_of_maps
from vision.metrics.text_table import cell, columns

Kind = Literal["depth", "normals"]
Scalars = Mapping[str, float]


class MeanMaps(NamedTuple):
    """Means of maps.

    Attributes:
        constant: float64 `(C, H, W)`, the mean of all pixels.
        by_place: The same, the mean of each place in the image.
    """

    constant: np.ndarray
    by_place: np.ndarray


def measure_mean_maps(*, root: Path) -> None:
    """Print the errors of the means of a dataset in the layout of NYUv2.

    Args:
        root: Its folder.

    Raises:
        DataError: Its files are absent, or its maps differ in size.
    """
    kinds: list[tuple[Kind, DenseData, Callable[..., Scalars]]] = [
        ("depth", NYUv2(root=root), depth_scalars),
        ("normals", NYUv2Normals(root=root), normals_scalars),
    ]
    for kind, data, measure in kinds:
        means = mean_maps(maps_of(data, "train", kind))
        found = {
            f"{kind}, {name.replace('_', ' ')}": measure(mean, maps_of(data, "val", kind))
            for name, mean in zip(means._fields, means, strict=True)
        }
        head = ["", *next(iter(found.values()))]
        rows = [[name, *map(cell, scalars.values())] for name, scalars in found.items()]
        print("\n".join(columns([head, *rows])))


def maps_of(data: DenseData, split: Literal["train", "val"], kind: Kind) -> Iterator[np.ndarray]:
    """The maps of a split, float32 `(C, H, W)`, 0 where nothing is known."""
    index = data.index(split)
    for place in range(len(index)):
        targets = index.load(place).targets
        assert targets is not None, "these splits have targets"
        found = targets.depth if kind == "depth" else targets.normals
        assert found is not None, "the datamodule is of this kind"
        yield found.reshape(-1, *found.shape[-2:])


def mean_maps(maps: Iterable[np.ndarray]) -> MeanMaps:
    """Average maps over the pixels that are known.

    Args:
        maps: float `(C, H, W)`, 0 where nothing is known.

    Raises:
        DataError: There are none, or they differ in size.
    """
    total: np.ndarray | None = None
    for found in maps:
        if total is None:
            total, known = np.zeros(found.shape), np.zeros(found.shape[1:])
        if found.shape != total.shape:
            raise DataError(
                f"maps of {found.shape[1:]} and of {total.shape[1:]} pixels have no mean of each "
                "place. Give a dataset whose images have one size."
            )
        total += found
        known += (found != 0).any(axis=0)
    if total is None:
        raise DataError("there are no training maps, and so no means of them.")
    constant = total.sum(axis=(1, 2)) / max(known.sum(), 1)
    constant_map = np.broadcast_to(constant[:, None, None], total.shape)
    return MeanMaps(constant_map, np.where(known > 0, total / np.maximum(known, 1), constant_map))


def depth_scalars(mean: np.ndarray, maps: Iterable[np.ndarray]) -> Scalars:
    """Errors of one depth map `(1, H, W)` for all images, with readings up to 10 m."""
    evaluator = DepthEvaluator(DepthProtocol())
    predicted = torch.from_numpy(mean[0].copy())
    for target in maps:
        evaluator.update(predicted, torch.from_numpy(target[0]))
    return evaluator.compute().scalars()


def normals_scalars(mean: np.ndarray, maps: Iterable[np.ndarray]) -> Scalars:
    """Angles between one map of vectors `(3, H, W)` and the normals of all images."""
    evaluator = NormalsEvaluator()
    predicted = torch.from_numpy(mean.copy())
    for target in maps:
        evaluator.update(angles_of_maps(predicted, torch.from_numpy(target)))
    return evaluator.compute().scalars()
