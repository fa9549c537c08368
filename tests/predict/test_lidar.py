"""Predictions of sweeps: equal to a validation's, files, cameras, what a result gives."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_detection3d import NAMES
from helpers.tiny_lidar import sure_lidar
from helpers.tiny_sweeps import RANGE, write_kitti_sweeps
from helpers.tiny_task import quiet_trainer
from helpers.validated import validated

from vision.annotations.kitti import read_objects
from vision.callbacks.results.boxes3d_predictions import Boxes3DPredictions
from vision.data.datasets.kitti_lidar import KITTILidar
from vision.errors import ConfigError, DataError, ImageError
from vision.ops.ply import write_ply
from vision.predict.job import predict_folder
from vision.predict.lidar import LidarResult
from vision.predict.lidar_view import LidarView
from vision.predict.model import Model
from vision.predict.options import PredictOptions
from vision.tasks.detection3d import Detection3D

KEYS = ("boxes3d_lidar", "boxes3d", "boxes", "alpha", "scores")
GRID = {"cell_size": [0.5, 0.5], "point_range": [*RANGE]}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_kitti_sweeps(tmp_path_factory.mktemp("data"), train=1, val=3)


@pytest.fixture(scope="module")
def task(root: Path) -> Detection3D:
    task = sure_lidar(reader_options={"grid": GRID}, head_options={"max_per_class": 3})
    task.preprocessing = KITTILidar(root=root, point_range=RANGE).eval_transform.options
    return task


@pytest.fixture
def model(task: Detection3D) -> Model:
    return Model(task, task.describe())


@pytest.fixture
def sweeps(root: Path) -> list[str]:
    names = (root / "ImageSets" / "val.txt").read_text().split()
    return [str(root / "training" / "velodyne" / f"{name}.bin") for name in names]


def test_predict_equals_validation(
    root: Path, task: Detection3D, model: Model, sweeps: list[str], tmp_path: Path
) -> None:
    data = KITTILidar(root=root, batch_size=2, point_range=RANGE)
    expected = validated(task, data, tmp_path)
    for batch_size in (1, 2):
        results = list(
            model.predict(
                sweeps, camera=root / "training" / "calib", batch_size=batch_size, threshold=0.0
            )
        )
        assert [result.path for result in results] == sorted(expected)
        for result in results:
            assert isinstance(result, LidarResult)
            one = expected[str(result.path)]
            assert torch.equal(result.labels, one["labels"])
            for key in KEYS:
                torch.testing.assert_close(getattr(result, key), one[key], rtol=1e-5, atol=1e-5)


def test_files_of_every_form_and_arrays_are_one_sweep(
    model: Model, sweeps: list[str], tmp_path: Path
) -> None:
    points = np.fromfile(sweeps[0], "<f4").reshape(-1, 4)
    np.save(tmp_path / "a.npy", points)
    first = model.predict_image(sweeps[0], threshold=0.0)
    assert isinstance(first, LidarResult)
    assert first.size == (len(points),)
    for source in (tmp_path / "a.npy", points, torch.from_numpy(points)):
        again: Any = model.predict_image(source, threshold=0.0)
        torch.testing.assert_close(again.scores, first.scores)
    # PLY has no reflectance here.
    write_ply(tmp_path / "b.ply", points[:, :3], np.zeros((len(points), 3), np.uint8))
    bare: Any = model.predict_image(points * np.float32([1, 1, 1, 0]), threshold=0.0)
    ply: Any = model.predict_image(tmp_path / "b.ply", threshold=0.0)
    torch.testing.assert_close(ply.scores, bare.scores, rtol=1e-4, atol=1e-4)
    assert [one.path for one in model.predict(tmp_path)] == [
        str(tmp_path / name) for name in ("a.npy", "b.ply")
    ]


def test_a_folder_of_results(root: Path, model: Model, tmp_path: Path) -> None:
    source, calib = root / "training" / "velodyne", root / "training" / "calib"
    options = PredictOptions(threshold=0.0, camera=calib)
    summary = predict_folder(model, source, tmp_path / "out", options)
    assert summary.done == 4
    lines = [json.loads(line) for line in (tmp_path / "out" / "predictions.jsonl").open()]
    assert [line["image"] for line in lines] == [f"{i:06d}.bin" for i in range(4)]
    found = lines[0]["objects"][0]
    assert {*found} == {"label", "name", "score", "center", "size", "yaw", "camera"}
    assert {*found["camera"]} == {"center", "yaw", "alpha", "box"}
    text = read_objects(tmp_path / "out" / lines[0]["file"], scored=True)
    assert text.scores.tolist() == pytest.approx(
        [round(one["score"], 2) for one in lines[0]["objects"]]
    )
    assert (tmp_path / "out" / "pictures" / "000000.bin.png").is_file()


def test_without_a_calibration_there_is_no_text_of_kitti(
    model: Model, sweeps: list[str], tmp_path: Path
) -> None:
    result = model.predict_image(sweeps[0], threshold=0.0)
    assert isinstance(result, LidarResult)
    assert not result.boxes.any()
    assert "camera" not in result.to_dict()["objects"][0]
    for call in (result.to_kitti, result.to_supervision):
        with refuses(ConfigError, "camera=...", "P2, R0_rect and Tr_velo_to_cam"):
            call()
    with refuses(ConfigError, "COCO", "LidarResult"):
        result.to_coco()
    assert "Pedestrian" in repr(result) or "Car" in repr(result) or "Cyclist" in repr(result)
    picture = result.plot()
    assert max(picture.size) == 960
    assert result.save(tmp_path / "a.png").is_file()


def test_wrong_cameras_and_sweeps_are_refused(
    model: Model, sweeps: list[str], tmp_path: Path
) -> None:
    with refuses(ConfigError, "700", "lidar stands to the camera"):
        model.predict(sweeps[0], camera=700.0)
    with refuses(DataError, "000001.bin", "000001.txt", "Tr_velo_to_cam"):
        list(model.predict(sweeps[0], camera=tmp_path))
    with refuses(ConfigError, "in memory", "one file"):
        list(model.predict(np.ones((4, 4), np.float32) * np.arange(4)[:, None], camera=tmp_path))
    with refuses(ImageError, "(5, 3)", "(P, 4)"):
        list(model.predict(torch.rand(5, 3)))
    with refuses(ImageError, "none of its 5 points", "metres"):
        list(model.predict(torch.rand(5, 4) + 100))
    with refuses(ConfigError, "dict", ".bin"):
        list(model.predict({}))
    with refuses(ConfigError, "tile=64", "whole sweeps"):
        model.predict(sweeps[0], tile=64)
    (tmp_path / "a.txt").write_text("")
    with refuses(DataError, "no points", "1 .txt", ".bin"):
        list(model.predict(tmp_path))
    with refuses(ImageError, "a.txt", "no sweep by its name", ".bin, .npy"):
        list(model.predict(tmp_path / "a.txt"))


def test_the_writer_of_predict_has_both_frames(
    root: Path, task: Detection3D, tmp_path: Path
) -> None:
    data = KITTILidar(root=root, batch_size=2, point_range=RANGE)
    writer = Boxes3DPredictions(tmp_path / "out")
    quiet_trainer(tmp_path, callbacks=[writer]).predict(task, data)
    lines = [json.loads(line) for line in (tmp_path / "out" / "predictions.jsonl").open()]
    assert len(lines) == 1
    assert "camera" in lines[0]["objects"][0]
    assert len([*(tmp_path / "out" / "kitti").rglob("*.txt")]) == 1


def test_the_page_to_try_shows_rows_and_a_picture(model: Model, sweeps: list[str]) -> None:
    view, result = LidarView(len(NAMES)), model.predict_image(sweeps[0], threshold=0.0)
    assert isinstance(result, LidarResult)
    rows = view.rows(result, 0.0)
    assert len(rows) == len(result)
    assert len(rows[0]) == len(view.headings)
    assert "object" in view.summary(result, 0.0)
    assert view.draw(result, 1.0).size == result.plot(threshold=1.0).size
