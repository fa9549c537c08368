"""What the prediction of any kind of task does: one module per kind, listed here."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

import torch
from torch import Tensor

from vision.data.loading.collate import collate_images
from vision.errors import CheckpointError, ConfigError, suggest
from vision.predict.results import Result

if TYPE_CHECKING:
    from vision.predict.model import Model

# Each module has a class `Predictor`, a subclass of `Kind`.
KINDS = {
    "classification": "vision.predict.classification",
    "detection": "vision.predict.detection",
    "segmentation": "vision.predict.segmentation",
}
Precision = Literal["float32", "bfloat16", "float16"]
Tile = int | tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class PredictOptions:
    """How images are predicted.

    Attributes:
        batch_size: Images, or tiles of one image, that the model gets at once.
        threshold: Least score of an object that is kept, in [0, 1].
        tile: Side, or height and width, in pixels of the tiles that larger images are cut into;
            None takes every image whole.
        overlap: Share of a tile that the next one covers too, in [0, 1).
        whole_view: Whether a detector also sees the whole image that is cut into tiles, for objects
            that are larger than these.
        precision: Type of the numbers in the model; the halves of float32 need a device that has
            them.

    Raises:
        ConfigError: A value is out of its range.
    """

    batch_size: int = 8
    threshold: float = 0.3
    tile: Tile | None = None
    overlap: float = 0.2
    whole_view: bool = True
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        sides = self.tile_size or (1, 1)
        ranges = {
            "batch_size": (self.batch_size >= 1, "1 or more"),
            "threshold": (0 <= self.threshold <= 1, "0 to 1"),
            "tile": (
                len(sides) == 2 and min(sides) >= 1,
                "a side in pixels, or (height, width), 1 or more",
            ),
            "overlap": (0 <= self.overlap < 1, "0 or more, and less than 1"),
            "precision": (
                self.precision in get_args(Precision),
                f"one of {', '.join(get_args(Precision))}",
            ),
        }
        for name, (is_valid, expected) in ranges.items():
            if not is_valid:
                raise ConfigError(f"{name}={getattr(self, name)!r} must be {expected}.")

    @property
    def tile_size(self) -> tuple[int, int] | None:
        """Height and width of a tile in pixels."""
        if self.tile is None:
            return None
        if isinstance(self.tile, int):
            return self.tile, self.tile
        return tuple(self.tile)  # type: ignore[return-value]

    @property
    def tile_stride(self) -> tuple[int, int]:
        """Pixels from one tile to the next, down and to the right."""
        assert self.tile_size is not None, "there are tiles"
        height, width = (max(1, round(side * (1 - self.overlap))) for side in self.tile_size)
        return height, width

    def is_cut(self, image: Tensor) -> bool:
        """Whether an image `(3, H, W)` is larger than a tile."""
        tile = self.tile_size
        return tile is not None and (image.shape[1] > tile[0] or image.shape[2] > tile[1])


@dataclass(frozen=True)
class Seen:
    """An image that was read.

    Attributes:
        index: Its number in the source.
        path: Its file; None for one in memory.
        image: uint8 `(3, H, W)` RGB, upright.
        sample: What the collate function of its task takes; None if it is cut into tiles.
    """

    index: int
    path: str | None
    image: Tensor
    sample: dict[str, Any] | None


class Kind(ABC):
    """The prediction of one kind of task: its preprocessing, and its results.

    Args:
        model: A model of that kind.

    Attributes:
        collate: Makes a batch of samples, as the datamodules of that kind do.
        table: Name of the file that `write_table` writes; None for none.
        beside: Names of what else a folder of predictions has.
    """

    collate: Callable[[Sequence[Any]], Any] = staticmethod(collate_images)
    table: ClassVar[str | None] = None
    beside: ClassVar[tuple[str, ...]] = ()

    def __init__(self, model: "Model") -> None:
        self.model = model
        self.names = model.class_names

    def check(self, options: PredictOptions) -> None:
        """Refuse options that mean nothing here.

        Raises:
            ConfigError: One does.
        """
        if options.precision == "float16" and self.model.device.type == "cpu":
            raise ConfigError(
                "precision='float16' needs a GPU; on a CPU take 'bfloat16' or 'float32'."
            )

    @abstractmethod
    def prepare(self, image: Tensor, path: str | None, index: int) -> dict[str, Any]:
        """The sample of an image, uint8 `(3, H, W)`, as evaluation makes it."""

    def group_of(self, sample: Mapping[str, Any]) -> Hashable:
        """Samples of one batch have this in common; by default all may be in one."""
        return None

    @abstractmethod
    def result(self, seen: Seen, prediction: Mapping[str, Any], options: PredictOptions) -> Result:
        """The result of an image from what the task's `predict_step` gives for it."""

    @abstractmethod
    def predict_tiled(self, seen: Seen, options: PredictOptions) -> Result:
        """The result of an image that is cut into tiles."""

    def write(self, result: Result, folder: Path, name: str) -> dict[str, Any]:
        """Write what belongs into a file of its own; returns the line about the image.

        Args:
            result: That of the image.
            folder: The folder of all results.
            name: Path of the image, relative to the folder of all images, unique without its
                ending.
        """
        return result.to_dict()

    def write_table(
        self,
        path: Path,
        lines: Iterable[Mapping[str, Any]],
        ids: Mapping[str, int],
        category_ids: Sequence[int],
    ) -> None:
        """Write the table of all results; called only where `table` names it.

        Args:
            path: The file.
            lines: Those that `write` has given, each with its name as `image`.
            ids: Number of each image, by name.
            category_ids: Number of each class, by label.
        """
        raise NotImplementedError(f"{type(self).__name__} names a table, but does not write it")

    def run(
        self, samples: Sequence[Mapping[str, Any]], options: PredictOptions, task: Any = None
    ) -> list[Any]:
        """What the task's `predict_step` gives for samples, on the CPU.

        Args:
            samples: Any number; those of one group are in one batch.
            options: How.
            task: In place of the model's own.
        """
        groups: dict[Hashable, list[int]] = {}
        for place, sample in enumerate(samples):
            groups.setdefault(self.group_of(sample), []).append(place)
        found: dict[int, Any] = {}
        for places in groups.values():
            batch = self.collate([samples[place] for place in places])
            found |= dict(zip(places, self._run_batch(batch, options, task), strict=True))
        return [found[place] for place in range(len(samples))]

    def _run_batch(
        self, batch: Mapping[str, Any], options: PredictOptions, task: Any
    ) -> list[dict[str, Any]]:
        task = task or self.model.task
        device = self.model.device
        with torch.inference_mode(), _arithmetic(device, options.precision):
            there = {
                key: value.to(device, non_blocking=True) if isinstance(value, Tensor) else value
                for key, value in batch.items()
            }
            predictions = task.predict_step(task.on_after_batch_transfer(there, 0), 0)
        return [
            {k: v.cpu() if isinstance(v, Tensor) else v for k, v in one.items()}
            for one in predictions
        ]


def _arithmetic(device: torch.device, precision: Precision) -> AbstractContextManager[Any]:
    if precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, dtype=getattr(torch, precision))


def build_kind(model: "Model") -> Kind:
    """What predicts with a model.

    Raises:
        ConfigError: Its task is of a kind that has no module.
        CheckpointError: Its preprocessing is not that of its kind.
    """
    if model.kind not in KINDS:
        raise ConfigError(
            f"a {type(model.task).__name__} is of the kind '{model.kind}', for which there is no "
            f"prediction; there is for {', '.join(KINDS)}.{suggest(model.kind, KINDS)} Add a "
            "module to vision.predict.predictor.KINDS."
        )
    return import_module(KINDS[model.kind]).Predictor(model)


def build_transform(build: Callable[..., Any], options: Mapping[str, Any]) -> Any:
    """An evaluation transform from the options in a model's description.

    Raises:
        CheckpointError: They are not its options.
    """
    try:
        return build(**options)
    except (TypeError, ValueError) as error:
        raise CheckpointError(
            f"the model's preprocessing {dict(options)} is not that of its task: {error}"
        ) from error
