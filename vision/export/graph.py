"""Base class of exported modules: images or volumes in, named tensors out."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from vision.errors import ConfigError, suggest
from vision.export.canvas import Run, on_canvas, put_on_canvas
from vision.export.compare import Difference, compare_outputs
from vision.export.inputs import BATCH, HEIGHT, WIDTH, GraphInput, ProgramInput

Axes = tuple[str | int, ...]
__all__ = [
    "BATCH",
    "HEIGHT",
    "WIDTH",
    "Axes",
    "Graph",
    "GraphInput",
    "SideInput",
    "image_sizes",
    "input_type",
]

INPUT_TYPES = {"uint8": torch.uint8, "float32": torch.float32}


@dataclass(frozen=True)
class SideInput:
    """An input beside the images, with a row for each of them.

    Attributes:
        name: Of the input.
        key: Of its values in a batch.
        dtype: Its type.
        shape: Shape of a row.
        values: What a row is, for the JSON file beside an export.
        example: Makes a row that fits images with given sides.
    """

    name: str
    key: str
    dtype: torch.dtype
    shape: tuple[int, ...]
    values: str
    example: Callable[[tuple[int, ...]], Tensor]


def image_sizes(images: Tensor) -> Tensor:
    """Height and width of each image, int64 `(B, 2)`, which stay open in an exported program.

    Args:
        images: `(B, C, H, W)`.
    """
    ones = torch.ones_like(images[:, 0], dtype=torch.int64)  # (B, H, W)
    return torch.stack([ones[:, :, 0].sum(dim=1), ones[:, 0].sum(dim=1)], dim=1)  # (B, 2)


class Graph(nn.Module):
    """A module that can be exported: its forward maps its inputs to a tuple of tensors.

    Args:
        axes: The axes of each output by its name, in the order of the tuple; an axis name is
            `"batch"`, or any other if its length depends on the size of the images.
        first: Its first input, images or volumes.
        beside: Its other inputs, in their order.
        fixed: Which of `"batch"` and `"size"` cannot be dynamic, and why.

    Attributes:
        kind: Name of what it computes.
        unordered: Whether its outputs are lists of objects, whose order may differ between
            programs.
        one_size: Whether evaluation gives all images one size.
        calibrated: What an int8 model is calibrated on.
        scored_logits: Whether the metric of int8 models needs logits.
        own_size: The sides of its input, if the model itself has them.
        refused: Formats that cannot hold it, by name, and why.
    """

    kind: ClassVar[str]
    unordered: ClassVar[bool] = False
    one_size: ClassVar[bool] = False
    calibrated: ClassVar[str] = "images"
    scored_logits: ClassVar[bool] = False
    own_size: tuple[int, ...] | None = None
    refused: ClassVar[Mapping[str, str]] = {}

    def __init__(
        self,
        *,
        axes: Mapping[str, Axes],
        first: ProgramInput,
        fixed: Mapping[str, str],
        beside: Sequence[SideInput] = (),
    ) -> None:
        super().__init__()
        self.axes, self.first, self.fixed = dict(axes), first, dict(fixed)
        self.beside = tuple(beside)

    @classmethod
    def check_format(cls, form: str) -> None:
        """Refuse a format that cannot hold the program.

        Args:
            form: `"safetensors"`, `"torch-export"` or `"onnx"`.

        Raises:
            ConfigError: It cannot.
        """
        if form in cls.refused:
            raise ConfigError(f"{form} cannot hold a {cls.kind} model: {cls.refused[form]}.")

    @property
    def inputs(self) -> list[str]:
        """Names of all inputs."""
        return [self.first.name, *(one.name for one in self.beside)]

    def arguments(
        self, images: Tensor, batch: Mapping[str, Any] | None = None
    ) -> tuple[Tensor, ...]:
        """All inputs for images or volumes.

        Args:
            images: `(B, C, *size)` as the program takes them.
            batch: A batch of a datamodule, of the same images; None makes plausible values.

        Returns:
            As many as `inputs`.
        """
        size, count = tuple(map(int, images.shape[2:])), len(images)
        more = [
            one.example(size).expand(count, *one.shape) if batch is None else batch[one.key]
            for one in self.beside
        ]
        return (
            images,
            *(
                values.to(images.device, one.dtype).contiguous()
                for one, values in zip(self.beside, more, strict=True)
            ),
        )

    def compare(
        self, found: Mapping[str, Tensor], source: Mapping[str, Tensor], *, tolerance: float
    ) -> list[Difference]:
        """Compare outputs with this module's outputs, by name: see `compare_outputs`."""
        return compare_outputs(found, source, tolerance=tolerance)

    def usual_size(self, preprocessing: Mapping[str, Any]) -> tuple[int, ...] | None:
        """The sides that hold every image of an evaluation; None leaves them to the caller.

        Args:
            preprocessing: Options of the evaluation transform.
        """
        return self.own_size

    def parts(self, images: Tensor, size: Sequence[int]) -> Iterator[Tensor]:
        """What a program of one size gets of images, for calibration.

        Args:
            images: `(B, C, *size)` as evaluation prepares them.
            size: The sides of the program's input.
        """
        yield put_on_canvas(images, (size[0], size[1]), self.first.mean)

    def on_all(self, run: Run, size: Sequence[int]) -> Run:
        """Wrap a program of one size, so that it takes the images of an evaluation.

        Args:
            run: The program; maps its inputs to outputs by name.
            size: The sides of its input.
        """
        return on_canvas(run, (size[0], size[1]), self.first.mean)

    def facts(self, size: Sequence[int]) -> dict[str, Any]:
        """What else one needs to run it, for the JSON file beside an export.

        Args:
            size: The sides of its input, if they are fixed.
        """
        return {}

    def named(self, outputs: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """The outputs by name."""
        return dict(zip(self.axes, outputs, strict=True))


def input_type(name: str) -> torch.dtype:
    """Look up the dtype of the images that a whole model takes.

    Raises:
        ConfigError: The name is unknown.
    """
    if name not in INPUT_TYPES:
        raise ConfigError(
            f"input_dtype={name!r} is not one of {', '.join(INPUT_TYPES)}."
            f"{suggest(name, INPUT_TYPES)}"
        )
    return INPUT_TYPES[name]
