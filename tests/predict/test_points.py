"""Predictions of clouds: equal to a validation's, files with labels, refusals."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_points import room, write_point_folder
from helpers.tiny_predict import tiny_model
from helpers.tiny_task import quiet_trainer
from PIL import Image

from vision.data.datasets.point_folder import PointFolder
from vision.data.formats.clouds import read_cloud
from vision.data.formats.point_labels import read_point_labels
from vision.data.transforms.clouds import Cloud
from vision.errors import ConfigError, ImageError
from vision.metrics.file_pairs import pair_files
from vision.metrics.points.files import evaluate_points
from vision.predict.job import predict_folder
from vision.predict.model import Model
from vision.predict.options import PredictOptions
from vision.predict.points import PointResult
from vision.predict.video import predict_video

NAMES = ["ceiling", "floor", "wall", "chair"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_point_folder(tmp_path_factory.mktemp("rooms"), train=1, val=2)


@pytest.fixture(scope="module")
def model() -> Model:
    return tiny_model("points", num_classes=4, class_names=NAMES)


def test_predict_equals_validation_and_its_files_are_evaluated(
    model: Model, root: Path, tmp_path: Path
) -> None:
    data = PointFolder(root=root, classes=NAMES, voxel_size=0.1, num_workers=0)
    task: Any = model.task
    task.class_names = None
    quiet_trainer(tmp_path).validate(task, data, verbose=False)
    measured = task.point_result
    out = tmp_path / "found"
    summary = predict_folder(model, root / "val", out, PredictOptions())
    assert (summary.done, summary.bad) == (2, 0)
    assert sorted(path.name for path in (out / "labels").iterdir()) == ["0.ply", "1.ply"]
    assert (out / "pictures" / "0.npy.png").is_file()
    pairs = pair_files(root / "val", out / "labels", extensions=(".npy", ".ply"))
    scores = evaluate_points(pairs, 4, read_point_labels)
    assert np.array_equal(scores.confusion, measured.confusion)
    assert len(np.flatnonzero(scores.confusion.sum(0))) > 1
    lines = [json.loads(line) for line in (out / "predictions.jsonl").read_text().splitlines()]
    assert [line["labels"] for line in lines] == ["labels/0.ply", "labels/1.ply"]
    with (out / "predictions.csv").open() as file:
        first, _ = csv.DictReader(file)
    assert int(first["points"]) == lines[0]["size"][0] == 300
    assert sum(float(first[name]) for name in model.class_names) == pytest.approx(1)


def test_the_order_of_the_points_changes_nothing(model: Model) -> None:
    rows = room(3)
    cloud = Cloud(rows[:, :3], rows[:, 3:6].astype(np.uint8))
    order = np.random.default_rng(0).permutation(len(rows))
    straight, shuffled = (
        model.predict_image(one) for one in (cloud, Cloud(*(p[order] for p in cloud[:2])))
    )
    assert isinstance(straight, PointResult)
    assert torch.equal(straight.labels[order], shuffled.labels)
    assert torch.equal(straight.scores[order], shuffled.scores)
    assert straight.labels.unique().numel() > 1


def result(**more: Any) -> PointResult:
    given: dict[str, Any] = {
        "image": torch.arange(12.0, dtype=torch.float64).view(3, 4),
        "path": "a.ply",
        "index": 0,
        "names": ("floor", "wall"),
        "colors": None,
        "labels": torch.tensor([1, 0, 1, 1]),
        "scores": torch.full((4,), 0.75),
    }
    return PointResult(**{**given, **more})


def test_a_result_is_saved_as_points_labels_or_picture(tmp_path: Path) -> None:
    palette = np.array([[1, 2, 3], [4, 5, 6]], np.uint8)
    one = result(palette=palette)
    cloud = read_cloud(one.save(tmp_path / "new" / "a.ply"))
    assert np.array_equal(cloud.points, one.points)
    assert cloud.label is not None
    assert cloud.label.tolist() == [1, 0, 1, 1]
    assert cloud.colors is not None
    assert cloud.colors.tolist() == [[4, 5, 6], [1, 2, 3], [4, 5, 6], [4, 5, 6]]
    assert read_point_labels(one.save(tmp_path / "new" / "b.npy")).tolist() == [1, 0, 1, 1]
    with Image.open(one.save(tmp_path / "a.png")) as picture:
        assert min(picture.size) > 100
    with refuses(ConfigError, "a.xyz"):
        one.save(tmp_path / "a.xyz")


def test_a_result_in_words_and_as_plain_values() -> None:
    one = result()
    assert one.to_dict() == {
        **{"path": "a.ply", "index": 0, "size": [4]},
        "shares": {"wall": 0.75, "floor": 0.25},
    }
    assert one.in_words() == "wall 75.0%, floor 25.0%"
    assert one.labels_found() == ["wall", "floor"]
    assert repr(one) == "PointResult(a.ply, 4: wall 75.0%, floor 25.0%)"


def test_bad_files_are_named_and_may_be_skipped(model: Model, root: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((5, 2)))
    np.save(tmp_path / "b.npy", room(0))
    with refuses(ImageError, "a.npy"):
        list(model.predict(tmp_path))
    results = model.predict(tmp_path, skip_bad_images=True)
    assert [Path(str(one.path)).name for one in results] == ["b.npy"]
    assert len(results.bad_images) == 1


def test_clouds_in_another_unit_are_named_and_may_be_skipped(model: Model, tmp_path: Path) -> None:
    np.save(tmp_path / "far.npy", room(0) * [1e4, 1e4, 1e4, 1, 1, 1, 1])
    np.save(tmp_path / "near.npy", room(0))
    with refuses(ImageError, "far.npy", "metres", "0.1 to 1,000", "unit of the files"):
        list(model.predict(tmp_path))
    results = model.predict(tmp_path, skip_bad_images=True)
    assert [Path(str(one.path)).name for one in results] == ["near.npy"]


def test_files_are_meant_as_those_of_the_training(root: Path, tmp_path: Path) -> None:
    options = {"voxel_size": 0.1, "num_workers": 0}
    data = PointFolder(root=root, classes=NAMES, unit_m=0.001, full_color=1, **options)
    one = tiny_model("points", num_classes=4, class_names=NAMES)
    usual = one.predict_image(root / "val" / "0.npy")
    task: Any = one.task
    task.preprocessing = data.eval_transform.options
    small = Model(task, task.describe())
    rows = np.load(root / "val" / "0.npy") * [1000, 1000, 1000, *[1 / 255] * 3, 1]
    np.save(tmp_path / "0.npy", rows)
    found = small.predict_image(tmp_path / "0.npy")
    assert isinstance(found, PointResult)
    assert isinstance(usual, PointResult)
    assert torch.equal(found.labels, usual.labels)
    assert np.allclose(found.points, usual.points * 1000)


def test_what_does_not_apply_is_refused(model: Model, root: Path, tmp_path: Path) -> None:
    with refuses(ConfigError, "PointSegmentation", "whole clouds"):
        model.predict(root, tile=64)
    with refuses(ConfigError, "PointSegmentation", "clouds", "features"):
        model.embed(root)
    with refuses(ConfigError, "PointSegmentation", "frames"):
        predict_video(model, "film.mp4", tmp_path / "out", PredictOptions())
    with refuses(ConfigError, "is a folder"):
        model.predict_image(root / "val")
