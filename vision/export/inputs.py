"""The first input of exported programs: images or volumes, and examples of them."""

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from vision.errors import ConfigError
from vision.export.photographs import real_images
from vision.wording import counted

# Names for the lengths of dynamic axes; fixed lengths are numbers.
BATCH, PLANES, HEIGHT, WIDTH = "batch", "planes", "height", "width"
Source = str | os.PathLike[str] | None


@dataclass(frozen=True)
class ProgramInput(ABC):
    """The first input of a program, `(B, C, *size)`.

    Attributes:
        name: Of the input, and what it holds.
        key: Of its values in a batch of a datamodule.
        axes: Names of the axes of its size.
        min_side: The smallest side.
        options: How its sides are given on the command line.
        dtype: Its type.
        channels: Its channels C.
        normalised: Whether its values are normalised outside of the program.
        mean: Per-channel mean for values in [0, 1]; empty where there is none.
        std: Per-channel deviation, likewise.
    """

    name: ClassVar[str]
    key: ClassVar[str]
    axes: ClassVar[tuple[str, ...]]
    min_side: ClassVar[int]
    options: ClassVar[str]
    dtype: torch.dtype
    channels: int
    normalised: bool = True
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    @abstractmethod
    def random(self, count: int, size: Sequence[int], generator: torch.Generator) -> Tensor:
        """Random inputs `(count, C, *size)`."""

    @abstractmethod
    def examples(self, count: int, size: Sequence[int], source: Source) -> dict[str, Tensor]:
        """Inputs to compare a program on, `(count, C, *size)`, each by what it is.

        Args:
            count: Number of images or volumes.
            size: Their sides.
            source: A file or folder of a person's own; None for others.

        Raises:
            ImageError: The file cannot be read.
            ConfigError: There is no way to give files.
        """

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """What its axes and values are, for the JSON file beside an export."""

    def check_size(self, size: Sequence[int]) -> None:
        """Check the sides of an input.

        Raises:
            ConfigError: Their number is another, or one is too small.
        """
        if len(size) != len(self.axes):
            raise ConfigError(
                f"size={tuple(size)} has {counted(len(size), 'sides')}, and {self.name} have "
                f"{len(self.axes)}: give {self.options}."
            )
        if min(size) < self.min_side:
            raise ConfigError(
                f"size={tuple(size)} is too small: {self.name} have sides of at least "
                f"{self.min_side}."
            )


@dataclass(frozen=True)
class GraphInput(ProgramInput):
    """Images; three channels are RGB. Values that are not normalised are 0..255."""

    name = "images"
    key = "image"
    axes = (HEIGHT, WIDTH)
    min_side = 32
    options = "--size HEIGHT WIDTH"

    def prepare(self, images: Tensor) -> Tensor:
        """Convert uint8 images `(B, C, H, W)` to the program's input."""
        if not self.normalised:
            return images.to(self.dtype)
        mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (self.mean, self.std))
        return ((images.float() / 255 - mean) / std).to(self.dtype)

    def random(self, count: int, size: Sequence[int], generator: torch.Generator) -> Tensor:
        """Random pixels."""
        shape = (count, self.channels, *size)
        return self.prepare(torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator))

    def examples(self, count: int, size: Sequence[int], source: Source) -> dict[str, Tensor]:
        """Random pixels, and photographs.

        Args:
            count: Number of images.
            size: Height and width.
            source: An image or a folder of images; None uses a photograph of scikit-learn.

        Raises:
            ImageError: No image was found, or it cannot be read.
        """
        random = self.random(count, size, torch.Generator().manual_seed(count))
        real = real_images((size[0], size[1]), count, source, channels=self.channels)
        return {"random": random, "real": self.prepare(real)}

    def facts(self) -> dict[str, Any]:
        """Axes, colours and values."""
        return {
            "axes": "batch, channels, rows, columns",
            "colours": "RGB" if self.channels == 3 else None,
            "values": "normalised: (pixel / 255 - mean) / std"
            if self.normalised
            else "pixels 0..255",
        }


@dataclass(frozen=True)
class VolumeInput(ProgramInput):
    """Volumes, normalised as evaluation does.

    Attributes:
        modalities: Name of each channel; None if they are not known.
    """

    name = "volumes"
    key = "volume"
    axes = (PLANES, HEIGHT, WIDTH)
    min_side = 1
    options = "--size D H W"
    modalities: tuple[str, ...] | None = None

    def random(self, count: int, size: Sequence[int], generator: torch.Generator) -> Tensor:
        """Random values of unit deviation."""
        values = torch.randn(count, self.channels, *size, generator=generator)
        return values.to(self.dtype)

    def examples(self, count: int, size: Sequence[int], source: Source) -> dict[str, Tensor]:
        """Random values, and smooth ones.

        Args:
            count: Number of volumes.
            size: Cells along each axis.
            source: Must be None.

        Raises:
            ConfigError: A source is given.
        """
        if source is not None:
            raise ConfigError(
                f"a program of volumes is compared on composed ones: leave --inputs {source} out."
            )
        generator = torch.Generator().manual_seed(count)
        random = self.random(count, size, generator)
        coarse = torch.randn(count, self.channels, 4, 4, 4, generator=generator)
        smooth = F.interpolate(coarse, tuple(size), mode="trilinear", align_corners=False)
        return {"random": random, "smooth": (2 * smooth).to(self.dtype)}

    def facts(self) -> dict[str, Any]:
        """Axes, modalities and values."""
        return {
            "axes": "batch, modalities, and D, H, W: the axes of the array in the orientation of "
            "the preprocessing",
            "modalities": None if self.modalities is None else [*self.modalities],
            "values": "normalised as preprocessing.options say",
        }
