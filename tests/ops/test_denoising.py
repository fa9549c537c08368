"""Noised objects for queries to denoise."""

from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from torch import Tensor

from vision.contracts.detection import DetectionTarget
from vision.errors import ConfigError
from vision.ops.denoising import (
    DenoisingOptions,
    NoisedQueries,
    NoiseDraws,
    draw_noise,
    noised_queries,
)
from vision.ops.share_boxes import boxes_to_shares

SIZES = torch.tensor([[100, 200], [50, 50]])
CLASSES = 7
OBJECTS: list[DetectionTarget] = [
    {
        # A crowd stands between two objects.
        "boxes": torch.tensor([[20.0, 10, 60, 40], [0, 0, 99, 99], [100, 20, 180, 80]]),
        "labels": torch.tensor([3, 1, 5]),
        "iscrowd": torch.tensor([False, True, False]),
        "area": torch.ones(3),
        "image_id": torch.tensor(1),
    },
    {
        "boxes": torch.tensor([[10.0, 10, 30, 20]]),
        "labels": torch.tensor([6]),
        "iscrowd": torch.tensor([False]),
        "area": torch.ones(1),
        "image_id": torch.tensor(2),
    },
]


def made(*, draws: NoiseDraws | None = None, targets: Any = None, **options: Any) -> NoisedQueries:
    found = noised_queries(
        OBJECTS if targets is None else targets,
        SIZES,
        DenoisingOptions(**options),
        num_classes=CLASSES,
        num_queries=4,
        draws=draws,
    )
    assert found is not None
    return found


def draws(count: int, *, chance: float = 0.9, shift: float = 0.0) -> NoiseDraws:
    return NoiseDraws(
        chance=torch.full((2, count), chance),
        labels=torch.zeros(2, count, dtype=torch.int64),
        shifts=torch.full((2, count, 4), shift),
    )


def test_a_case_worked_by_hand() -> None:
    """Two groups of two places and as many negatives; the first object is 0.2 x 0.3 of 1 x 1."""
    given = draws(8, shift=0.5)
    given.shifts[0, 0] = torch.tensor([-0.5, 0.5, 1 - 1e-7, 0])
    given.chance[0, 0] = 0.2499
    given.chance[0, 1] = 0.25
    found = made(draws=given, queries=4)
    assert found.groups == 2
    assert found.labels.tolist() == [[0, 5, 3, 5, 3, 5, 3, 5], [6, 7, 6, 7, 6, 7, 6, 7]]
    # Corners 0.1, 0.1, 0.3, 0.4; left moves by -0.05, top by 0.075, right by 0.1, bottom by 0.
    first = torch.tensor([(0.05 + 0.4) / 2, (0.175 + 0.4) / 2, 0.35, 0.225])
    torch.testing.assert_close(found.boxes[0, 0], first)
    # Its negative: all sides by 1.5 halves, 0.15 and 0.225.
    negative = torch.tensor([0.35, 0.475, 0.2, 0.3])
    torch.testing.assert_close(found.boxes[0, 2], negative)
    # The second object: corners 0.5, 0.2, 0.9, 0.8 move by 0.3 and 0.45, and are cut at 1.
    torch.testing.assert_close(found.boxes[0, 3], torch.tensor([0.9, 0.825, 0.2, 0.35]))
    assert (found.boxes[1, 1::2] == 0.5).all()
    assert found.image.tolist() == [0, 0, 0, 0, 1, 1]
    assert found.query.tolist() == [0, 4, 1, 5, 0, 4]
    assert found.place.tolist() == [0, 0, 2, 2, 0, 0]


def test_positive_boxes_without_noise_are_the_objects() -> None:
    found = made(label_noise=0.0, box_noise=0.0, queries=10)
    for image, query, place in zip(found.image, found.query, found.place, strict=True):
        target = OBJECTS[image]
        exact = boxes_to_shares(target["boxes"][None], SIZES[image][None])[0, place]
        torch.testing.assert_close(found.boxes[image, query], exact)
        assert found.labels[image, query] == target["labels"][place]
        assert not target["iscrowd"][place]


def _sides_moved(found: NoisedQueries, count: int) -> tuple[Tensor, Tensor]:
    """How far the sides of the second image's object moved, in halves; positives, negatives."""
    low = found.boxes[1, :, :2] - found.boxes[1, :, 2:] / 2
    high = found.boxes[1, :, :2] + found.boxes[1, :, 2:] / 2
    corners = torch.cat([low, high], dim=-1).view(-1, 2, count, 4)[:, :, 0]
    moved = (corners - torch.tensor([0.2, 0.2, 0.6, 0.4])) / torch.tensor([0.2, 0.1, 0.2, 0.1])
    return moved[:, 0].abs(), moved[:, 1].abs()


def test_positives_stay_near_and_negatives_do_not() -> None:
    torch.manual_seed(0)
    positive, negative = _sides_moved(made(queries=400, box_noise=0.4), 2)
    assert positive.max() <= 0.4 + 1e-5
    assert positive.max() > 0.35
    assert negative.min() >= 0.4 - 1e-5
    assert negative.max() <= 0.8 + 1e-5


def test_how_often_a_class_is_replaced() -> None:
    """With half of the probability, and by the same class one time in K."""
    torch.manual_seed(0)
    found = made(queries=4000, label_noise=0.8)
    share = (found.labels[1, ::2] != 6).float().mean()
    assert share.item() == pytest.approx(0.4 * 6 / 7, abs=0.03)
    assert set(found.labels[1, ::2].tolist()) == set(range(CLASSES))


def test_who_sees_whom() -> None:
    """Queries of a group see their group; all see the matched ones, which see only themselves."""
    found = made(queries=6)
    blocked, size = found.blocked, 4
    assert blocked.shape == (found.groups * size + 4, found.groups * size + 4)
    noised = found.labels.shape[1]
    assert found.groups == 3
    assert not blocked[:, noised:].any()
    assert blocked[noised:, :noised].all()
    for row in range(noised):
        seen = (~blocked[row, :noised]).nonzero()[:, 0].tolist()
        start = row // size * size
        assert seen == list(range(start, start + size))


@pytest.mark.parametrize(("queries", "groups"), [(100, 50), (101, 50), (3, 1), (1, 1)])
def test_number_of_groups(queries: int, groups: int) -> None:
    assert made(queries=queries).groups == groups


def test_an_image_without_objects_has_empty_places() -> None:
    nothing: Any = {key: value[:0] for key, value in OBJECTS[1].items() if key != "image_id"}
    found = made(targets=[OBJECTS[0], nothing])
    assert (found.labels[1] == CLASSES).all()
    assert (found.boxes[1] == 0.5).all()
    assert not found.image.any()


def test_nothing_to_denoise() -> None:
    crowd: Any = {key: value[1:2] for key, value in OBJECTS[0].items() if key != "image_id"}
    options = {"num_classes": CLASSES, "num_queries": 4}
    assert noised_queries([crowd, crowd], SIZES, DenoisingOptions(), **options) is None
    assert noised_queries(OBJECTS, SIZES, DenoisingOptions(queries=0), **options) is None


def test_the_same_seed_draws_the_same() -> None:
    def drawn() -> NoiseDraws:
        torch.manual_seed(3)
        return draw_noise((2, 5), CLASSES, torch.device("cpu"))

    first, second = drawn(), drawn()
    assert torch.equal(first.shifts, second.shifts)
    assert torch.equal(first.labels, second.labels)
    assert first.shifts.min() < -0.5
    assert first.shifts.max() > 0.5


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"queries": -1}, ("denoising.queries=-1", "from 0")),
        ({"label_noise": 1.5}, ("denoising.label_noise=1.5", "from 0 to 1")),
        ({"box_noise": -0.1}, ("denoising.box_noise=-0.1", "0 or more")),
    ],
)
def test_impossible_options(options: dict[str, Any], parts: tuple[str, ...]) -> None:
    with refuses(ConfigError, *parts):
        DenoisingOptions(**options)
