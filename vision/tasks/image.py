"""Base class of tasks on images: normalisation, padding, memory format."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from vision.backbones.base import Backbone
from vision.backbones.registry import check_input
from vision.contracts.models import ModelDescription
from vision.errors import ConfigError
from vision.keywords import Unpack
from vision.layers.pixels import Normalize, blank_padding
from vision.optim.settings import OptimSettings
from vision.tasks.base import BaseTask, Training
from vision.tasks.build import build_normalize
from vision.tasks.checkpoint import plain
from vision.tasks.first_batch import Stage, check_images, require_keys


class ImageTraining(Training, total=False):
    """Keyword arguments that every task on images passes on to `ImageTask`."""

    mean: list[float] | None
    std: list[float] | None
    channels_last: bool


class ImageTask(BaseTask):
    """A task whose batches have images: uint8 `image` `(B, C, H, W)`.

    Its `forward` accepts images with values 0..255 and calls `normalize`; in a trainer's loops the
    batch arrives on the device and normalised.

    Args:
        backbone: A name for `create_backbone`, or a `Backbone`.
        optim: Options of the optimiser and its schedule, also as a mapping.
        mean: Mean of each channel for values in [0, 1]; null uses the backbone's.
        std: Standard deviation of each channel for values in [0, 1]; null uses the backbone's.
        channels_last: Whether images and convolutions use the channels-last memory format.
        **training: Other arguments of `BaseTask`.

    Attributes:
        normalize: Maps images with values 0..255 to the backbone's input.

    Raises:
        ConfigError: A value is unknown or does not fit the others.
        WeightsError: The weights cannot be found or do not fit.
    """

    backbone: Backbone

    def __init__(
        self,
        backbone: str | Backbone | None,
        *,
        optim: OptimSettings | Mapping[str, Any],
        mean: list[float] | None = None,
        std: list[float] | None = None,
        channels_last: bool = True,
        **training: Unpack[Training],
    ) -> None:
        if isinstance(backbone, str):
            check_input(backbone, "image", owner=type(self).__name__)
        super().__init__(backbone, optim=optim, **training)
        require_image_backbone(self.backbone, owner=type(self).__name__)
        if not self.dense:
            self.backbone.check_can_embed()
        self.normalize = build_normalize(self.backbone, mean, std, channels_last=channels_last)
        self._channels_last = channels_last
        self._embed: Callable[[Any, Tensor], Tensor] = type(self.backbone).embed

    def load_initial_weights(self) -> None:
        """Load the initial weights, freeze parts and set the memory format: ends a constructor."""
        super().load_initial_weights()
        if self._channels_last:
            use_channels_last(self)

    def embed(self, images: Tensor) -> Tensor:
        """`Backbone.embed` of normalised images `(B, C, H, W)`, compiled if requested."""
        return self._embed(self.backbone, images)

    def compile_backbone(self, *, blocks: bool = False, **settings: Any) -> None:
        """Compile the backbone, and its `embed`."""
        super().compile_backbone(blocks=blocks, **settings)
        if not blocks:
            self._embed = torch.compile(self._embed, **settings)

    def check_batch(self, batch: Any, stage: Stage) -> None:
        """Check the images of the first batch of a stage.

        Raises:
            DataError: They are of another type, shape or range.
        """
        super().check_batch(batch, stage)
        require_keys(batch, ["image"])
        check_images(batch["image"], channels=self.backbone.in_channels)

    def prepare(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Normalise the images of a batch; for dense tasks their padding becomes zero."""
        return normalize_batch(batch, self.normalize, blank=self.dense)

    def describe(self) -> ModelDescription:
        """Describe as every task, with the backbone's expected input."""
        return {**super().describe(), "input": describe_input(self.backbone, self.normalize)}


def require_image_backbone(backbone: nn.Module, *, owner: str) -> Backbone:
    """Check that a backbone encodes images.

    Args:
        backbone: The backbone, as it was given or built.
        owner: The task, for the error.

    Raises:
        ConfigError: It encodes something else.
    """
    if not isinstance(backbone, Backbone):
        raise ConfigError(
            f"{owner} accepts images, which a {type(backbone).__name__} does not encode: choose a "
            "Backbone, such as one of vision.list_backbones()."
        )
    return backbone


def use_channels_last(module: nn.Module) -> None:
    """Bring the weights of all 2-d convolutions to the channels-last memory format."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            part.to(memory_format=torch.channels_last)


def normalize_batch(batch: dict[str, Any], normalize: Normalize, *, blank: bool) -> dict[str, Any]:
    """Normalise the images of a batch.

    Args:
        batch: Has `image`, and maybe `size`.
        normalize: Maps values 0..255 to the backbone's input.
        blank: Whether the padding beyond `size` becomes zero.
    """
    images = normalize(batch["image"])
    if blank and "size" in batch:
        images = blank_padding(images, batch["size"])
    return {**batch, "image": images}


def describe_input(backbone: Backbone, normalize: Normalize) -> dict[str, Any]:
    """Size, mean, std, crop and interpolation that a backbone expects, as plain values."""
    mean, std = normalize.values
    described: dict[str, Any] = plain({**asdict(backbone.default_input), "mean": mean, "std": std})
    return described


def with_paths(found: Iterable[Mapping[str, Any]], batch: Mapping[str, Any]) -> list[Any]:
    """The predictions for a batch, each with the `path` of its image."""
    return [{**one, "path": path} for one, path in zip(found, batch["path"], strict=True)]
