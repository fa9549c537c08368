"""Rooms: what differs between training and held-out ones, and what stands in them."""

import math

import numpy as np
import pytest

from vision.data.synthetic.scenes import MIN_VISIBLE
from vision.data.synthetic.space_layout import (
    BANDS,
    CLEARANCE_M,
    DISTANCES_M,
    ELEVATIONS_M,
    MAX_STANDEES,
    TURNS_DEG,
    banded,
)
from vision.data.synthetic.space_render import view
from vision.data.synthetic.space_splits import RoomSamples, compose_rooms
from vision.data.synthetic.space_world import World

SAMPLES = RoomSamples(train=40, val=20, size=96, seed=1)


@pytest.fixture(scope="module")
def rooms() -> dict[str, list[World]]:
    return {
        split: [one.world for one in compose_rooms(SAMPLES, split)] for split in ("train", "val")
    }


def layout(world: World) -> tuple[float, float, float]:
    """Camera height, distance of the back wall, turn of the room: from the planes alone."""
    floor, back = (wall.plane for wall in world.walls[:2])
    pitch = world.camera.pitch_rad
    ahead = np.array([0, -math.sin(pitch), math.cos(pitch)])  # the level direction
    turn = math.atan2(-back.normal[0], -(back.normal @ ahead))
    return abs(floor.origin @ floor.normal), abs(back.origin @ back.normal), math.degrees(turn)


def test_bands_of_training_and_held_out_rooms_alternate() -> None:
    rng = np.random.default_rng(0)
    train, held_out = (
        {int(banded(rng, (0.0, BANDS), held_out=flag)) for _ in range(200)}
        for flag in (False, True)
    )
    assert train == {0, 2, 4, 6}
    assert held_out == {1, 3, 5}


def test_held_out_rooms_have_heights_and_layouts_of_their_own(
    rooms: dict[str, list[World]],
) -> None:
    for number, (low, high) in enumerate((ELEVATIONS_M, DISTANCES_M, TURNS_DEG)):
        bands = {}
        for split, worlds in rooms.items():
            found = np.array([layout(world)[number] for world in worlds])
            bands[split] = set(((found - low) / (high - low) * BANDS).astype(int).tolist())
        assert bands == {"train": {0, 2, 4, 6}, "val": {1, 3, 5}}


def test_stickers_stand_free_within_the_image(rooms: dict[str, list[World]]) -> None:
    counts = []
    for world in (*rooms["train"], *rooms["val"]):
        counts.append(len(world.standees))
        objects = view(world).objects
        for item, found in zip(world.standees, objects, strict=True):
            for wall in world.walls[1:]:
                distances = (item.corners - wall.plane.origin) @ wall.plane.normal
                assert distances.min() >= CLEARANCE_M
            assert MIN_VISIBLE <= found.visible <= 1
            edge = np.ones(found.whole.shape, bool)
            edge[1:-1, 1:-1] = False
            assert (found.whole & edge).sum() <= found.whole.sum() / 4
    assert set(counts) >= {1, 2, 3, MAX_STANDEES}


def test_a_dataset_says_how_many_stickers_a_room_has_at_most() -> None:
    class Crowded(RoomSamples):
        stickers = 7

    crowded = Crowded(train=25, size=96, seed=1)
    counts = [len(one.world.standees) for one in compose_rooms(crowded, "train")]
    assert MAX_STANDEES < max(counts) <= 7


def test_a_room_depends_on_seed_split_and_place_alone(rooms: dict[str, list[World]]) -> None:
    fewer = RoomSamples(train=2, val=2, size=96, seed=1)
    for split, worlds in rooms.items():
        for one, world in zip(compose_rooms(fewer, split), worlds[:2], strict=True):
            assert np.array_equal(view(one.world).depth, view(world).depth)
    other = next(compose_rooms(RoomSamples(train=1, size=96, seed=2), "train"))
    assert not np.array_equal(view(other.world).depth, view(rooms["train"][0]).depth)
