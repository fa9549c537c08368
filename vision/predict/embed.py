"""Features of images: what a model's backbone makes of them, prepared as in its evaluation."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from vision.errors import ConfigError
from vision.predict.options import Precision, PredictOptions
from vision.predict.predictor import Predictor, Seen
from vision.predict.results import Result, to_picture
from vision.predict.run import Predictions

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(kw_only=True, eq=False, repr=False)
class Embedding(Result):
    """The features of an image.

    Attributes:
        features: float32 `(D,)`.
    """

    features: Tensor

    def plot(self) -> "Image":
        """The image itself."""
        return to_picture(self.image)

    def to_dict(self, *, masks: bool = True) -> dict[str, Any]:
        """`path`, `index`, `size` and `features`."""
        return {**self._head(), "features": self.features.tolist()}

    def _summary(self) -> str:
        return f"{len(self.features)} features"


class EmbeddingPredictor(Predictor):
    """Prepares images as a model's own predictor does, and gives features in place of results.

    Args:
        own: The model's own predictor.
    """

    def __init__(self, own: Predictor) -> None:
        super().__init__(own.model)
        self.own = own
        self.collate = own.collate
        self.sources = own.sources

    def prepare(self, image: Tensor, path: str | None, index: int) -> dict[str, Any]:
        """The sample of an image, as evaluation makes it."""
        return self.own.prepare(image, path, index)

    def group_of(self, sample: Mapping[str, Any]) -> Hashable:
        """Key of the samples that may share a batch."""
        return self.own.group_of(sample)

    def run(
        self, samples: Sequence[Mapping[str, Any]], options: PredictOptions, task: Any = None
    ) -> list[Any]:
        """The features of samples, on the CPU."""
        return super().run(samples, options, task or _Features(self.model.task))

    def result(
        self, seen: Seen, prediction: Mapping[str, Any], options: PredictOptions
    ) -> Embedding:
        """The features of an image."""
        return Embedding(
            image=seen.image,
            path=seen.path,
            index=seen.index,
            names=(),
            features=prediction["features"],
        )


class _Features:
    """A task whose predictions are features."""

    def __init__(self, task: Any) -> None:
        self.on_after_batch_transfer = task.on_after_batch_transfer
        self.task = task

    def predict_step(self, batch: Mapping[str, Any], batch_idx: int) -> list[dict[str, Tensor]]:
        return [{"features": one} for one in image_features(self.task, batch).float()]


def image_features(task: Any, batch: Mapping[str, Any]) -> Tensor:
    """The features `(B, D)` of a batch whose images are normalised.

    They are what the paper's classifier feeds to its last layer. A backbone of a detector or a
    segmentor lacks the layers for it: its features are the mean of the coarsest map over the image,
    without padding.
    """
    images = batch["image"]
    if not task.dense:
        return task.embed(images)
    features = task.backbone(images)[-1]  # (B, C, H, W)
    stride = task.backbone.feature_specs[-1].stride
    sizes = batch.get("size")
    if sizes is None:
        return features.mean(dim=(2, 3))
    inside = torch.ones_like(features[:, :1])
    for mask, (height, width) in zip(inside, sizes.tolist(), strict=True):
        mask[:, -(-height // stride) :] = 0
        mask[:, :, -(-width // stride) :] = 0
    return (features * inside).sum(dim=(2, 3)) / inside.sum(dim=(2, 3))


def check_embeds(own: Predictor) -> None:
    """Refuse a task without features.

    Raises:
        ConfigError: It has none.
    """
    if not own.embeds:
        raise ConfigError(
            f"a {type(own.model.task).__name__} has no features of {own.sources.unit}: use "
            "model.task.backbone, which gives its maps."
        )


def stream_features(
    own: Predictor,
    source: Any,
    *,
    batch_size: int,
    precision: Precision,
    num_workers: int | None,
    skip_bad_images: bool | int = False,
) -> Predictions:
    """An iterator over the `Embedding` of each image of a source; see `Model.embed`.

    Args:
        own: The model's own predictor.
        source: As in `Model.predict`, and so are the others.
        batch_size: Images per batch.
        precision: Precision of the computation.
        num_workers: Threads that read images.
        skip_bad_images: Whether to skip images that cannot be read.

    Raises:
        ConfigError: The task has no features of images.
    """
    check_embeds(own)
    return Predictions(
        EmbeddingPredictor(own),
        source,
        PredictOptions(batch_size=batch_size, precision=precision),
        num_workers=num_workers,
        skip_bad_images=skip_bad_images,
    )
