"""Measure the accuracy of exported models, float and int8, by the metric of their task."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from vision.errors import DataError
from vision.export.score import Outputs, Score
from vision.ops.grouping import places_by

Run = Callable[..., Outputs]
Arguments = Callable[[Tensor, Mapping[str, Any]], Sequence[Tensor]]


def alike(batch: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Split a batch into parts with images of one size, without the padding.

    Args:
        batch: A batch of the datamodule; without `size`, no image is padded.

    Yields:
        The same keys for some of the images, in the order of the batch.
    """
    images: Tensor = batch["image"]
    height, width = images.shape[2:]
    sizes: Sequence[list[int]] = (
        batch["size"].tolist() if "size" in batch else [[height, width]] * len(images)
    )
    for (rows, columns), places in places_by(map(tuple, sizes)).items():
        part = {key: _pick(value, places) for key, value in batch.items()}
        yield {**part, "image": images[places, :, :rows, :columns].contiguous()}


def _pick(value: Any, places: Sequence[int]) -> Any:
    if isinstance(value, Tensor):
        return value[list(places)]
    return [value[i] for i in places] if isinstance(value, list) else value


def measure_accuracy(
    runs: Mapping[str, Run],
    batches: Iterable[Mapping[str, Any]],
    *,
    score: Callable[[], Score],
    limit: int | None = None,
    arguments: Arguments = lambda images, batch: (images,),
) -> tuple[dict[str, float], int]:
    """Run models on a validation set, all on the same images.

    Args:
        runs: By name, each model as a function of images `(B, C, H, W)`, uint8, and of its other
            inputs.
        batches: Batches of the validation set.
        score: Makes the metric of one model.
        limit: Maximum number of images; None for all.
        arguments: All inputs of the models for images and their batch: `Graph.arguments`.

    Returns:
        The metric of each model by name, and the number of images.

    Raises:
        DataError: There are no images.
    """
    scores = {name: score() for name in runs}
    images = 0
    with torch.inference_mode():
        for part in _limited(batches, limit):
            inputs = arguments(part["image"], part)
            for name, run in runs.items():
                scores[name].update(run(*inputs), part)
            images += len(part["image"])
    if not images:
        raise DataError("the validation set has no images to measure the accuracy on.")
    return {name: one.value() for name, one in scores.items()}, images


def _limited(batches: Iterable[Mapping[str, Any]], limit: int | None) -> Iterator[dict[str, Any]]:
    """Parts with images of one size, at most `limit` images in all."""
    left = limit
    for batch in batches:
        for part in alike(batch):
            count = len(part["image"])
            if left is not None and count > left:
                part = {key: _pick(value, range(left)) for key, value in part.items()}
                count = left
            if not count:
                return
            yield part
            if left is not None:
                left -= count
                if not left:
                    return
