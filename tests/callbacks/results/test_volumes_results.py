"""Pictures and records of an evaluation of volumes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.volumes_evaluation import SUBJECTS, VolumesWorld, evaluate_shifted
from PIL import Image

from vision.callbacks.results.volumes_images import PackedMask, masks_to_draw
from vision.contracts.volumes import IGNORED


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> VolumesWorld:
    return evaluate_shifted(tmp_path_factory.mktemp("world"))


def test_the_record_has_what_the_report_shows(world: VolumesWorld) -> None:
    body, result = world.record.body, world.task.volume_result
    assert result is not None
    assert world.record.kind == "volumes"
    assert world.record.metrics["val/Dice"] == pytest.approx(result.scalars()["Dice"])
    assert body.result is result
    assert {*body.places} == {*result.subjects}
    assert sorted(body.places.values()) == list(range(SUBJECTS))
    assert body.regions == world.task.regions
    chosen = [one for kind in body.chosen.values() for one in kind]
    assert {one.place for one in chosen} == {*body.masks} == set(range(SUBJECTS))
    for one in chosen:
        row = result.rows()[result.subjects.index(one.name)]
        assert one.score == pytest.approx(row["Dice"])
        assert one.objects == 3
        assert body.places[one.name] == one.place
        # The mask is the truth, moved.
        truth = world.source.dataset.example(one.place)["mask"]
        found = torch.from_numpy(body.masks[one.place].whole())
        moved = truth.roll(2, 0)
        expected = torch.where(moved > 0, 2, 0) if one.place == 2 else moved
        assert torch.equal(found, expected.to(torch.uint8))
    assert body.chosen["worst"][0].place == 2, "without a core"


def test_examples_are_drawn(world: VolumesWorld) -> None:
    with Image.open(world.results / "examples.png") as picture:
        # Three subjects, each with two rows of planes.
        assert picture.width > 900
        assert picture.height > 3 * 600


def test_classes_are_recorded_without_regions(tmp_path: Path) -> None:
    world = evaluate_shifted(tmp_path, targets="labels", regions=None)
    body = world.record.body
    assert body.regions is None
    assert body.result.names == ("necrosis", "edema", "enhancing")
    for one in (one for kind in body.chosen.values() for one in kind):
        row = body.result.rows()[body.result.subjects.index(one.name)]
        assert one.score == pytest.approx(row["Dice"])


@pytest.mark.parametrize("label", [0, 3])
def test_a_packed_mask_is_whole_again(label: int) -> None:
    mask = torch.zeros(6, 7, 8, dtype=torch.int64)
    mask[2:4, 1:6, 7] = label
    mask[3, 2, 7] = IGNORED if label else 0
    packed = PackedMask.of(mask)
    assert np.array_equal(packed.whole(), mask.numpy())
    assert packed.cells.size == (2 * 5 * 1 if label else 0)


def test_regions_are_outlined_and_classes_are_taken_as_they_are() -> None:
    mask = np.array([[[0, 1], [2, IGNORED]]], np.uint8)
    regions: Any = {"one": (1,), "both": (1, 2)}
    assert masks_to_draw(mask, None) is mask
    drawn = masks_to_draw(mask, regions)
    assert drawn.tolist() == [[[[False, True], [False, False]]], [[[False, True], [True, False]]]]
