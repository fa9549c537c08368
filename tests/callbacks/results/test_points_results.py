"""What validations and predictions of rooms write, draw and record."""

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.points_evaluation import NAMES, ROOMS, PointsWorld, evaluate_wrong
from helpers.tiny_point_task import tiny_points
from helpers.tiny_points import write_point_folder
from helpers.tiny_task import quiet_trainer
from PIL import Image

from vision.callbacks.results.point_files import PointFiles
from vision.callbacks.results.points_images import score_room
from vision.contracts.points import IGNORED
from vision.data.datasets.point_folder import PointFolder
from vision.data.formats.point_labels import read_point_labels


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> PointsWorld:
    return evaluate_wrong(tmp_path_factory.mktemp("world"))


def test_rooms_are_recorded_with_the_classes_that_were_found(world: PointsWorld) -> None:
    body, result = world.record.body, world.task.point_result
    assert world.record.kind == "points"
    assert body.result is result
    assert {*body.places} == {*result.rooms}
    assert sorted(body.places.values()) == list(range(ROOMS))
    chosen = [one for kind in body.chosen.values() for one in kind]
    assert {one.place for one in chosen} == {*body.labels} == set(range(ROOMS))
    rows = {row["room"]: row for row in result.room_rows()}
    for one in chosen:
        assert one.score == pytest.approx(rows[one.name]["mIoU"])
        assert one.objects == 4
        assert body.places[one.name] == one.place
        truth = world.source.dataset.example(one.place)["label"].numpy()
        found = np.where(truth == 3, 2, truth) if one.place != 2 else np.ones_like(truth)
        assert np.array_equal(body.labels[one.place], found)
    assert body.chosen["worst"][0].place == 2, "all floor"


def test_examples_are_drawn(world: PointsWorld) -> None:
    with Image.open(world.results / "examples.png") as picture:
        # Three rooms, each with four panels in two rows.
        assert picture.width > 1400
        assert picture.height > 3 * 700


def test_a_room_is_scored_by_the_classes_in_it_or_its_prediction() -> None:
    truth = torch.tensor([0, 0, 1, IGNORED])
    scored = score_room(torch.tensor([0, 2, 1, 3]), truth, place=4, name="hall")
    assert scored.score == pytest.approx((1 / 2 + 1 + 0) / 3)
    assert (scored.place, scored.objects, scored.name) == (4, 2, "hall")
    nothing = score_room(torch.tensor([1]), torch.tensor([IGNORED]))
    assert np.isnan(nothing.score)


def test_predicted_classes_are_in_the_order_of_the_points_of_each_room(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_point_folder(tmp_path / "rooms", train=1, val=2)
    data = PointFolder(root=root, classes=NAMES, voxel_size=0.1, num_workers=0)
    writer = PointFiles(tmp_path / "found")
    task = tiny_points(num_classes=4, class_names=None)
    found = quiet_trainer(tmp_path, callbacks=[writer]).predict(task, data)
    assert found is not None
    labels = {one["room"]: one["label"] for batch in found for one in batch}
    files = sorted(path for path in writer.folder.rglob("*") if path.is_file())
    assert [file.relative_to(writer.folder).as_posix() for file in files] == ["0.npy", "1.npy"]
    for file in files:
        assert np.array_equal(read_point_labels(file), labels[file.stem].numpy())
    assert f"2 rooms of classes are in {writer.folder}" in capsys.readouterr().out
