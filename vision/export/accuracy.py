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


def alike(batch: Mapping[str, Any], key: str = "image") -> Iterator[dict[str, Any]]:
    """Split a batch into parts with images or volumes of one size, without the padding.

    Args:
        batch: A batch of the datamodule; without `size`, no image is padded.
        key: Of the images or volumes, `(B, C, *size)`.

    Yields:
        The same keys for some of the images, in the order of the batch.
    """
    images: Tensor = batch[key]
    sizes: Sequence[list[int]] = (
        batch["size"].tolist() if "size" in batch else [[*images.shape[2:]]] * len(images)
    )
    for size, places in places_by([tuple(one) for one in sizes]).items():
        part = {name: _pick(value, places) for name, value in batch.items()}
        kept = images[places]
        for axis, side in enumerate(size, start=2):
            kept = kept.narrow(axis, 0, side)
        yield {**part, key: kept.contiguous()}


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
    key: str = "image",
) -> tuple[dict[str, float], int]:
    """Run models on a validation set, all on the same images.

    Args:
        runs: By name, each model as a function of images or volumes `(B, C, *size)`, and of its
            other inputs.
        batches: Batches of the validation set.
        score: Makes the metric of one model.
        limit: Maximum number of images; None for all.
        arguments: All inputs of the models for images and their batch: `Graph.arguments`.
        key: Of the images or volumes in a batch.

    Returns:
        The metric of each model by name, and the number of images.

    Raises:
        DataError: There are no images.
    """
    scores = {name: score() for name in runs}
    images = 0
    with torch.inference_mode():
        for part in _limited(batches, limit, key):
            inputs = arguments(part[key], part)
            for name, run in runs.items():
                scores[name].update(run(*inputs), part)
            images += len(part[key])
    if not images:
        raise DataError("the validation set has no images to measure the accuracy on.")
    return {name: one.value() for name, one in scores.items()}, images


def _limited(
    batches: Iterable[Mapping[str, Any]], limit: int | None, key: str
) -> Iterator[dict[str, Any]]:
    """Parts with images of one size, at most `limit` images in all."""
    left = limit
    for batch in batches:
        for part in alike(batch, key):
            count = len(part[key])
            if left is not None and count > left:
                part = {name: _pick(value, range(left)) for name, value in part.items()}
                count = left
            if not count:
                return
            yield part
            if left is not None:
                left -= count
                if not left:
                    return
