"""Base class of exported modules: images and what is known of them in, named tensors out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from vision.errors import ConfigError, suggest
from vision.export.compare import Difference, compare_outputs

INPUT = "images"
# Names for the lengths of dynamic axes; fixed lengths are numbers.
BATCH, HEIGHT, WIDTH = "batch", "height", "width"
Axes = tuple[str | int, ...]
INPUT_TYPES = {"uint8": torch.uint8, "float32": torch.float32}


@dataclass(frozen=True)
class GraphInput:
    """The input of a program.

    Attributes:
        dtype: Type of the images.
        channels: Channels of the images; three are RGB.
        normalised: Whether mean and deviation are already applied; otherwise values are 0..255.
        mean: Per-channel mean for values in [0, 1].
        std: Per-channel deviation for values in [0, 1].
    """

    dtype: torch.dtype
    channels: int
    normalised: bool
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def prepare(self, images: Tensor) -> Tensor:
        """Convert uint8 images `(B, C, H, W)` to the program's input."""
        if not self.normalised:
            return images.to(self.dtype)
        mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (self.mean, self.std))
        return ((images.float() / 255 - mean) / std).to(self.dtype)


@dataclass(frozen=True)
class SideInput:
    """An input beside the images, with a row for each of them.

    Attributes:
        name: Of the input.
        key: Of its values in a batch.
        dtype: Its type.
        shape: Shape of a row.
        values: What a row is, for the JSON file beside an export.
        example: Makes a row that fits images of a height and width.
    """

    name: str
    key: str
    dtype: torch.dtype
    shape: tuple[int, ...]
    values: str
    example: Callable[[tuple[int, int]], Tensor]


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
        images: Its first input.
        beside: Its other inputs, in their order.
        fixed: Which of `"batch"` and `"size"` cannot be dynamic, and why.

    Attributes:
        kind: Name of what it computes.
        unordered: Whether its outputs are lists of objects, whose order may differ between
            programs.
        one_size: Whether evaluation gives all images one size.
    """

    kind: ClassVar[str]
    unordered: ClassVar[bool] = False
    one_size: ClassVar[bool] = False

    def __init__(
        self,
        *,
        axes: Mapping[str, Axes],
        images: GraphInput,
        fixed: Mapping[str, str],
        beside: Sequence[SideInput] = (),
    ) -> None:
        super().__init__()
        self.axes, self.images, self.fixed = dict(axes), images, dict(fixed)
        self.beside = tuple(beside)

    @property
    def inputs(self) -> list[str]:
        """Names of all inputs, the images first."""
        return [INPUT, *(one.name for one in self.beside)]

    def arguments(
        self, images: Tensor, batch: Mapping[str, Any] | None = None
    ) -> tuple[Tensor, ...]:
        """All inputs for images.

        Args:
            images: `(B, C, H, W)` as the program takes them.
            batch: A batch of a datamodule, of the same images; None makes plausible values.
        """
        size, count = (int(images.shape[2]), int(images.shape[3])), len(images)
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

    def usual_size(self, preprocessing: Mapping[str, Any]) -> tuple[int, int] | None:
        """Height and width that hold every image of an evaluation; None leaves it to the caller.

        Args:
            preprocessing: Options of the evaluation transform.
        """
        return None

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
