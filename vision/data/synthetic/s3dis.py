"""Small furnished rooms in the layout of S3DIS, as arrays of coloured points.

"3D Semantic Parsing of Large-Scale Indoor Spaces", I. Armeni et al., 2016.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from vision.data.datasets.s3dis import AREAS
from vision.data.synthetic.folder import replace_folder
from vision.data.synthetic.room_layout import KINDS, compose_room
from vision.data.synthetic.room_points import RoomPoints, sample_points
from vision.errors import ConfigError

# The area with sizes of rooms that no other has.
HELD_OUT = 5


@dataclass(frozen=True, kw_only=True)
class S3DISSamples:
    """Number, density and seed of the rooms.

    Attributes:
        rooms: Their number, at least 6: the areas take turns.
        density: Points on a square metre, at least 1.
        seed: Seed of all choices: equal seeds give equal files, byte for byte, and a room does not
            depend on the number of rooms.

    Raises:
        ConfigError: A number is too small.
    """

    rooms: int = 60
    density: int = 300
    seed: int = 0

    def __post_init__(self) -> None:
        if self.rooms < len(AREAS):
            raise ConfigError(
                f"rooms={self.rooms} must be at least {len(AREAS)}, one of each area."
            )
        if self.density < 1:
            raise ConfigError(f"density={self.density} must be at least 1 point on a square metre.")
        if self.seed < 0:
            raise ConfigError(f"seed={self.seed} must not be negative.")


def area_of(place: int) -> int:
    """The area of a room, by its place among the samples."""
    return AREAS[place % len(AREAS)]


def name_of(place: int) -> str:
    """The name of a room, such as `Area_5_office_1`, by its place among the samples."""
    turn = place // len(AREAS)
    return f"Area_{area_of(place)}_{KINDS[turn % len(KINDS)]}_{turn // len(KINDS) + 1}"


def compose_points(samples: S3DISSamples, place: int) -> RoomPoints:
    """Compose a room by its place among the samples."""
    rng = np.random.default_rng([samples.seed, place])
    kind = KINDS[place // len(AREAS) % len(KINDS)]
    pieces = compose_room(rng, kind, held_out=area_of(place) == HELD_OUT)
    return sample_points(rng, pieces, density=samples.density)


def write_s3dis(root: Path | str, samples: S3DISSamples) -> dict[str, tuple[int, int]]:
    """Compose and write a dataset.

    The tree is that which most models train from: `Area_N_ROOM.npy`, float32 rows x y z red green
    blue label, from the lowest corner of the room.

    Args:
        root: The folder to make. A folder from an earlier call is replaced.
        samples: What to compose.

    Returns:
        Number of rooms and of labelled points, of the areas that train and of the one that is held
        out.

    Raises:
        DataError: `root` holds something else.
    """
    counts = {"train": [0, 0], "val": [0, 0]}
    with replace_folder(root, {"dataset": "s3dis", **asdict(samples)}) as folder:
        for place in range(samples.rooms):
            room = compose_points(samples, place)
            points = room.points - room.points.min(axis=0)
            rows = np.column_stack([points, room.colors, room.label]).astype(np.float32)
            np.save(folder / f"{name_of(place)}.npy", rows)
            count = counts["val" if area_of(place) == HELD_OUT else "train"]
            count[0] += 1
            count[1] += len(rows)
    return {split: (rooms, points) for split, (rooms, points) in counts.items()}
