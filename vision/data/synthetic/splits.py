"""The scenes of a composed dataset by split, shared by the layouts of all datasets."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np

from vision.data.synthetic.scenes import MIN_SIZE, Glyphs, Scene, compose_scene
from vision.errors import ConfigError

if TYPE_CHECKING:
    import torch

SPLITS = ("train", "val", "test")
GLYPH_SIZE = 64
JPEG_QUALITY = 92


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Number, size and seed of the scenes of a dataset.

    Attributes:
        train: Number of training scenes.
        val: Number of validation scenes, with other digits than the training scenes.
        size: Long side of the scenes in pixels, at least 96.
        seed: Seed of all choices: equal seeds give equal files, byte for byte, and a scene does not
            depend on the number of scenes.
    """

    min_size: ClassVar[int] = MIN_SIZE

    train: int = 2000
    val: int = 400
    size: int = 128
    seed: int = 0

    def __post_init__(self) -> None:
        for name in (*SPLITS, "seed"):
            if getattr(self, name, 0) < 0:
                raise ConfigError(f"{name}={getattr(self, name)} must not be negative.")
        if self.size < self.min_size:
            raise ConfigError(f"size={self.size} must be at least {self.min_size} pixels.")


@dataclass(frozen=True, kw_only=True)
class SceneSamples(Samples):
    """As `Samples`, of flat scenes.

    Attributes:
        test: Number of scenes without annotations, with the digits of the validation scenes.
    """

    aspect: ClassVar[float | None] = None

    test: int = 20


class ComposedScene(NamedTuple):
    """A scene of a split: its number there, itself, and a generator for further choices."""

    place: int
    scene: Scene
    rng: np.random.Generator


def compose_split(
    samples: SceneSamples, split: str, glyphs: Glyphs | None = None
) -> Iterator[ComposedScene]:
    """Compose the scenes of a split.

    Args:
        samples: What to compose.
        split: `"train"`, `"val"` or `"test"`.
        glyphs: The digits to choose from, at least one of each class; None for all of the split.

    Yields:
        Each scene. Equal options and seeds make the same scenes for every dataset, unless its
        scenes have another shape.
    """
    glyphs = glyphs or load_glyphs("train" if split == "train" else "val")
    for place in range(getattr(samples, split)):
        rng = np.random.default_rng([samples.seed, SPLITS.index(split), place])
        scene = compose_scene(rng, glyphs, size=samples.size, aspect=samples.aspect)
        yield ComposedScene(place, scene, rng)


def split_glyphs(split: str) -> "torch.Tensor":
    """Indices, in scikit-learn's set, of the digits in the scenes of a split."""
    from vision.data.formats.digits import load_digits, split_digits

    train, held_out = split_digits(load_digits(8)[1])
    return train if split == "train" else held_out


def save_jpeg(image: np.ndarray, path: Path) -> None:
    """Write uint8 `(H, W, 3)` RGB as JPEG.

    The colour resolution is full: the strokes are thin and coloured.
    """
    from PIL import Image

    Image.fromarray(image).save(path, quality=JPEG_QUALITY, subsampling=0)


@cache
def load_glyphs(split: str) -> Glyphs:
    """The digits of a split, for scenes."""
    from vision.data.formats.digits import load_digits

    images, labels = load_digits(GLYPH_SIZE)
    chosen = split_glyphs(split)
    return Glyphs.of(images[chosen].numpy(), labels[chosen].numpy())
