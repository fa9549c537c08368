"""The rooms of a composed dataset by split, shared by the layouts of all datasets."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from vision.data.synthetic.space_layout import HEIGHTS_M, MAX_STANDEES, compose_world
from vision.data.synthetic.space_world import World
from vision.data.synthetic.splits import SPLITS, Samples, load_glyphs

ASPECT = 4 / 3  # width by height


@dataclass(frozen=True, kw_only=True)
class RoomSamples(Samples):
    """As `Samples`, of rooms: images are wider than high, 4 to 3.

    Validation rooms have camera heights and layouts that no training room has.

    Attributes:
        stickers: The largest number of stickers in a room.
        heights_m: Range of their heights, in metres.
    """

    train: int = 600
    val: int = 100
    size: int = 160
    stickers: ClassVar[int] = MAX_STANDEES
    heights_m: ClassVar[tuple[float, float]] = HEIGHTS_M


class ComposedWorld(NamedTuple):
    """A room of a split: its number there, itself, and a generator for further choices."""

    place: int
    world: World
    rng: np.random.Generator


def compose_rooms(
    samples: RoomSamples, split: str, *, aspect: float = ASPECT
) -> Iterator[ComposedWorld]:
    """Compose the rooms of a split.

    Args:
        samples: What to compose.
        split: `"train"`, `"val"` or `"test"`.
        aspect: Width by height of the images.

    Yields:
        Each room. Equal options, seeds and stickers make the same rooms for every dataset with
        images of the same shape.
    """
    glyphs = load_glyphs("train" if split == "train" else "val")
    height = round(samples.size / aspect)
    for place in range(getattr(samples, split)):
        rng = np.random.default_rng([samples.seed, SPLITS.index(split), place])
        world = compose_world(
            rng,
            glyphs,
            height=height,
            width=samples.size,
            held_out=split != "train",
            stickers=samples.stickers,
            heights_m=samples.heights_m,
        )
        yield ComposedWorld(place, world, rng)
