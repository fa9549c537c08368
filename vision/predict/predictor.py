"""Base class of predictors, one subclass per kind of task."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, TypeVar

import torch
from torch import Tensor

from vision.contracts.models import ModelDescription
from vision.data.loading.collate import collate_images
from vision.errors import CheckpointError, ConfigError
from vision.ops.grouping import places_by
from vision.predict.options import Precision, PredictOptions
from vision.predict.results import Result
from vision.predict.sources import ImageSources, Sources
from vision.tasks.base import BaseTask

if TYPE_CHECKING:
    from PIL.Image import Image

logger = logging.getLogger(__name__)


class Stored(Protocol):
    """A transform that is built of the options in a model's description."""

    @property
    def options(self) -> dict[str, Any]:
        """The options."""


StoredTransform = TypeVar("StoredTransform", bound=Stored)


@dataclass(frozen=True)
class Seen:
    """An image, or a volume, that was read.

    Attributes:
        index: Its number in the source.
        path: Its file; None for one in memory.
        image: uint8 `(3, H, W)` RGB, upright, or what the predictor's `sources` read instead.
        sample: Input of its task's collate function; None if it is cut into tiles.
    """

    index: int
    path: str | None
    image: Any
    sample: dict[str, Any] | None


class LoadedModel(Protocol):
    """The attributes of `vision.predict.model.Model` that a predictor uses."""

    task: BaseTask
    description: ModelDescription
    class_names: tuple[str, ...]

    @property
    def device(self) -> torch.device:
        """Device of the model."""

    @property
    def preprocessing(self) -> dict[str, Any] | None:
        """Options of the evaluation transform of its training data, if known."""


class Predictor(ABC):
    """The prediction of one kind of task: its preprocessing, and its results.

    Args:
        model: A model of that kind.

    Attributes:
        collate: Makes a batch of samples, as the datamodules of that kind do.
        sources: How what a person gives is found and read; images by default.
        one_by_one: Whether a batch has one image, as the task runs each by itself.
        table: Name of the file that `write_table` writes, or None.
        beside: Names of further files in a folder of predictions.
        tiled: Whether large images can be cut into tiles, which `predict_tiled` then predicts.
        untiled: Why not, after the name of the task.
        instead_of_tiles: What to do instead; a sentence.
        takes_camera: Whether the calibration of the camera is used.
        takes_frames: Whether the frames of a video can be predicted.
        embeds: Whether features can be computed.
        gives_probabilities: Whether results may have the probability of each class everywhere.
        frames_as_drawn: Whether a video has the size of the first drawing, not that of its frames.
    """

    collate: Callable[[Sequence[Any]], Any] = staticmethod(collate_images)
    sources: Sources = ImageSources()
    one_by_one: ClassVar[bool] = False
    table: ClassVar[str | None] = None
    beside: tuple[str, ...] = ()
    tiled: ClassVar[bool] = False
    untiled: ClassVar[str] = "which accepts a whole image"
    instead_of_tiles: ClassVar[str] = "Cut the image up, and predict the parts."
    takes_camera: ClassVar[bool] = False
    takes_frames: ClassVar[bool] = True
    embeds: ClassVar[bool] = True
    gives_probabilities: ClassVar[bool] = False
    frames_as_drawn: ClassVar[bool] = False

    def __init__(self, model: LoadedModel) -> None:
        self.model = model
        self.names = model.class_names

    def check(self, options: PredictOptions) -> None:
        """Refuse options that do not apply to this kind.

        Raises:
            ConfigError: An option does not apply.
        """
        if options.precision == "float16" and self.model.device.type == "cpu":
            raise ConfigError(
                "precision='float16' needs a GPU; on a CPU use 'bfloat16' or 'float32'."
            )
        if options.tile is not None and not self.tiled:
            raise ConfigError(
                f"tile={options.tile} is not for a {type(self.model.task).__name__}, "
                f"{self.untiled}. {self.instead_of_tiles}"
            )
        if options.camera is not None and not self.takes_camera:
            raise ConfigError(
                f"a {type(self.model.task).__name__} uses no calibration of the camera: leave out "
                "camera."
            )
        if options.probabilities and not self.gives_probabilities:
            raise ConfigError(
                f"a {type(self.model.task).__name__} gives no maps of probabilities: leave out "
                "probabilities."
            )

    def for_options(self, options: PredictOptions) -> Self:
        """The predictor of a source with some options, which `check` has accepted."""
        return self

    @abstractmethod
    def prepare(self, image: Any, path: str | None, index: int) -> dict[str, Any]:
        """The sample of an image, as evaluation makes it.

        Args:
            image: uint8 `(3, H, W)`, or what `sources` read instead.
            path: Its file; None for one in memory.
            index: Its number in the source.

        Raises:
            ImageError: The model cannot use it.
        """

    def group_of(self, sample: Mapping[str, Any]) -> Hashable:
        """Key of the samples that may share a batch; by default all may."""
        return None

    @abstractmethod
    def result(self, seen: Seen, prediction: Mapping[str, Any], options: PredictOptions) -> Result:
        """Make the result of an image from the output of the task's `predict_step`."""

    def predict_tiled(self, seen: Seen, options: PredictOptions) -> Result:
        """Predict an image that is cut into tiles; called only if `tiled` is set."""
        raise NotImplementedError(f"{type(self).__name__} is tiled, but predicts no tiles")

    def write(self, result: Result, folder: Path, name: str) -> dict[str, Any]:
        """Write the result's own file, if any; returns the line about the image.

        Args:
            result: Result of the image.
            folder: The folder of all results.
            name: Path of the image, relative to the folder of all images, unique without its
                suffix.
        """
        return result.to_dict()

    def files_beside(self, options: PredictOptions) -> tuple[str, ...]:
        """Names of the further files in a folder of predictions with some options."""
        return self.beside

    def frame_drawer(self) -> "Callable[[Any], Image]":
        """A function that draws the frames of one video, called with their results in order."""
        return lambda result: result.plot()

    def write_table(
        self,
        path: Path,
        lines: Iterable[Mapping[str, Any]],
        ids: Mapping[str, int],
        category_ids: Sequence[int],
    ) -> None:
        """Write the table of all results; called only if `table` names it.

        Args:
            path: The file.
            lines: Results of `write`, each with the image's name as `image`.
            ids: COCO id of each image, by name.
            category_ids: COCO id of each class, by label.
        """
        raise NotImplementedError(f"{type(self).__name__} names a table, but does not write it")

    def run(
        self, samples: Sequence[Mapping[str, Any]], options: PredictOptions, task: Any = None
    ) -> list[Any]:
        """Run the task's `predict_step` on samples; returns its output on the CPU.

        Args:
            samples: Any number; samples of one group are in one batch.
            options: Options of prediction.
            task: Used instead of the model's own.
        """
        found: dict[int, Any] = {}
        for places in places_by(map(self.group_of, samples)).values():
            batch = self.collate([samples[place] for place in places])
            found |= dict(zip(places, self._run_batch(batch, options, task), strict=True))
        return [found[place] for place in range(len(samples))]

    def _run_batch(
        self, batch: Mapping[str, Any], options: PredictOptions, task: Any
    ) -> list[dict[str, Any]]:
        task = task or self.model.task
        device = self.model.device
        with torch.inference_mode(), _arithmetic(device, options.precision):
            there = self.model.task.transfer_batch_to_device(batch, device, 0)
            predictions = task.predict_step(task.on_after_batch_transfer(there, 0), 0)
        return [
            {k: v.cpu() if isinstance(v, Tensor) else v for k, v in one.items()}
            for one in predictions
        ]


def _arithmetic(device: torch.device, precision: Precision) -> AbstractContextManager[Any]:
    if precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, dtype=getattr(torch, precision))


def stored_transform(model: LoadedModel, build: type[StoredTransform]) -> StoredTransform:
    """Build the evaluation transform that a model was trained for.

    Args:
        model: The model. If its description lacks the options, defaults are used, with a warning.
        build: Class of the transform.

    Raises:
        CheckpointError: As for `build_transform`.
    """
    options = model.preprocessing
    if options is None:
        options = build().options
        logger.warning("the model does not store its preprocessing; using %s", options)
    made: StoredTransform = build_transform(build, options)
    return made


def build_transform(build: Callable[..., Any], options: Mapping[str, Any]) -> Any:
    """Build an evaluation transform from the options in a model's description.

    Raises:
        CheckpointError: The options do not fit the transform.
    """
    try:
        return build(**options)
    except (TypeError, ValueError) as error:
        raise CheckpointError(
            f"the model's preprocessing {dict(options)} does not fit its task: {error}"
        ) from error
