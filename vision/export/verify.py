"""Compare an exported program with its source on random and real images."""

import io
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from vision.errors import ImageError
from vision.export.compare import Difference
from vision.export.graph import Graph
from vision.ops.image_limits import check_pixels
from vision.reading import MAX_IMAGE_BYTES, read_file

Runner = Callable[..., dict[str, Tensor]]
# Largest allowed relative difference, by precision of the program.
TOLERANCES = {"float32": 1e-4, "float16": 2e-2, "bfloat16": 1e-1}
MIN_SIDE = 32
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
FORMATS = ("JPEG", "PNG", "BMP", "WEBP")


@dataclass(frozen=True)
class Case:
    """One comparison of a program with its source.

    Attributes:
        inputs: `"random"` or `"real"`.
        batch: Number of images.
        size: Their height and width.
        differences: Differences of the outputs.
    """

    inputs: str
    batch: int
    size: tuple[int, int]
    differences: Sequence[Difference]

    @property
    def passed(self) -> bool:
        """Whether all differences are within their tolerance."""
        return all(difference.passed for difference in self.differences)


def verify(
    run: Runner,
    source: Graph,
    *,
    shapes: Sequence[tuple[int, tuple[int, int]]],
    tolerance: float,
    images: str | os.PathLike[str] | None = None,
) -> list[Case]:
    """Compare a program with its source.

    Args:
        run: The program: maps its inputs, in the form that it accepts, to outputs by name.
        source: The module that was exported, in float32.
        shapes: Number of images, and their height and width, for each comparison.
        tolerance: As in `compare_outputs`.
        images: An image, or a folder of images; None uses a photograph of scikit-learn.

    Returns:
        A case with random and one with real images for each shape.

    Raises:
        ImageError: No image was found, or it cannot be read.
    """
    cases = []
    for batch, size in shapes:
        generator = torch.Generator().manual_seed(batch)
        shape = (batch, source.images.channels, *size)
        random = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
        real = real_images(size, batch, images, channels=source.images.channels)
        for name, pixels in (("random", random), ("real", real)):
            inputs = source.arguments(source.images.prepare(pixels))
            with torch.no_grad():
                expected = source.named(source(*inputs))
            found = {key: value.cpu() for key, value in run(*inputs).items()}
            differences = source.compare(found, expected, tolerance=tolerance)
            cases.append(Case(name, batch, size, differences))
    return cases


def verified_shapes(
    size: tuple[int, int], batch: int, dynamic: Sequence[str]
) -> list[tuple[int, tuple[int, int]]]:
    """Shapes at which a program is run: its traced one, and others along the dynamic axes."""
    shapes = [(batch, size)]
    if "size" in dynamic:
        # Larger ones: a program of torch.export may refuse smaller than it was traced with.
        other = size[0] * 5 // 4 + 1, size[1] + 11
        shapes.append((batch + 1 if "batch" in dynamic else batch, other))
    if "batch" in dynamic:
        shapes.append((1, size))
    return shapes


def worst(cases: Sequence[Case]) -> list[Difference]:
    """The largest difference of each output over all cases."""
    found: dict[str, Difference] = {}
    for case in cases:
        for difference in case.differences:
            before = found.get(difference.output)
            # Written so that a NaN replaces any number.
            if before is None or not difference.relative <= before.relative:
                found[difference.output] = difference
    return list(found.values())


def real_images(
    size: tuple[int, int],
    count: int,
    source: str | os.PathLike[str] | None = None,
    *,
    channels: int = 3,
) -> Tensor:
    """Load photographs, resized.

    Args:
        size: Height and width.
        count: Number of images; flipped and repeated images make up the number.
        source: An image, or a folder of images; None uses a photograph of scikit-learn.
        channels: Number of channels; beyond three they repeat.

    Returns:
        uint8 `(count, channels, H, W)`.

    Raises:
        ImageError: No image was found, or it cannot be read.
    """
    photographs = [_photograph()] if source is None else _read(Path(source), count)
    resized = []
    for i in range(count):
        pixels = photographs[i % len(photographs)].float()[None]
        pixels = F.interpolate(pixels, size=size, mode="bilinear", antialias=True)
        pixels = pixels.flip(-1) if i // len(photographs) % 2 else pixels
        resized.append(pixels.round().clamp(0, 255).to(torch.uint8))
    index = torch.arange(channels) % 3
    return torch.cat(resized)[:, index]


def _photograph() -> Tensor:
    from sklearn.datasets import load_sample_image

    return torch.from_numpy(load_sample_image("china.jpg").copy()).permute(2, 0, 1)


def _read(path: Path, maximum: int) -> list[Tensor]:
    import numpy
    from PIL import Image

    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES)[
            :maximum
        ]
    else:
        files = [path]
    if not files:
        raise ImageError(
            f"'{path}' is neither an image nor a folder of images ({', '.join(SUFFIXES)})."
        )
    images = []
    for file in files:
        try:
            data = read_file(file, max_bytes=MAX_IMAGE_BYTES, what="image", error=ImageError)
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                check_pixels(image.height, image.width, f"image '{file}'")
                pixels = numpy.array(image.convert("RGB"))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            if isinstance(error, ImageError):
                raise
            raise ImageError(f"'{file}' cannot be read as an image: {error}") from error
        images.append(torch.from_numpy(pixels).permute(2, 0, 1))
    return images
