"""nuScenes' boxes in the frames of its cameras and of its lidar."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.nuscenes import FOCAL, HEIGHT, WIDTH, Tables, random_drive
from helpers.refusals import refuses
from helpers.tiny_nuscenes import CAR, CAR_SIZE, tiny_drive

from vision.annotations.nuscenes import NuScenesTables, read_nuscenes
from vision.annotations.nuscenes_names import CAMERAS, CLASSES, LIDAR
from vision.contracts.boxes3d import NUSCENES
from vision.contracts.detection3d import OTHER
from vision.data.formats.nuscenes import (
    camera_matrices,
    camera_objects,
    camera_readings,
    lidar_scene,
    object_names,
    read_points,
)
from vision.errors import DataError
from vision.ops.boxes3d import box_corners, from_nuscenes

X, Y, Z = CAR


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> NuScenesTables:
    return read_nuscenes(tiny_drive(2).write(tmp_path_factory.mktemp("tables")))


@pytest.fixture(scope="module")
def random_tables(tmp_path_factory: pytest.TempPathFactory) -> NuScenesTables:
    drive = random_drive(np.random.default_rng(3), scenes=1, samples=3, objects=25)
    return read_nuscenes(drive.write(tmp_path_factory.mktemp("random")))


def test_objects_are_in_the_images_that_show_them(tables: NuScenesTables) -> None:
    readings = camera_readings(tables, ["scene-0001"], CAMERAS)
    found = camera_objects(tables, readings)
    names, labels = object_names(tables)
    assert len(found) == len(readings) == 2 * len(CAMERAS)
    files = [file.decode().split("/")[1] for file in tables.readings.files[readings]]
    assert files == [*CAMERAS, *CAMERAS]
    seen = {
        camera: [names[place] for place in found.names[found.of(image)]]
        for image, camera in enumerate(CAMERAS)
    }
    assert seen == {
        "CAM_FRONT": ["car", "motorcycle", "human.pedestrian.stroller"],
        "CAM_FRONT_RIGHT": [],
        "CAM_BACK_RIGHT": [],
        "CAM_BACK": ["truck"],
        "CAM_BACK_LEFT": [],
        "CAM_FRONT_LEFT": [],
    }
    assert [labels[place] for place in found.names[found.of(0)]] == [
        CLASSES.index("car"),
        CLASSES.index("motorcycle"),
        OTHER,
    ]


def test_boxes_are_in_the_frame_of_the_camera(tables: NuScenesTables) -> None:
    found = camera_objects(tables, camera_readings(tables, ["scene-0000"], ["CAM_FRONT"]))
    width, length, height = CAR_SIZE
    for image, ahead in enumerate((X - 1, X + 1)):
        car = found.of(image).start
        # It drives away: yaw, clockwise from the right, is -90 degrees.
        box = [0, 1.5 - Z, ahead, length, height, width, -math.pi / 2]
        np.testing.assert_allclose(found.boxes3d[car], box, atol=1e-9)
        near, low, high = ahead - length / 2, 0.5 - height / 2, 0.5 + height / 2
        half = FOCAL * width / 2 / near
        middle = WIDTH / 2, HEIGHT / 2
        corners = [-half, FOCAL * low / near, half, FOCAL * high / near]
        np.testing.assert_allclose(found.boxes[car], np.add(corners, [*middle, *middle]))
        assert found.truncation[car] == pytest.approx(0, abs=1e-12)
        assert found.alpha[car] == pytest.approx(-math.pi / 2)
        assert found.velocity is not None
        np.testing.assert_allclose(found.velocity[car], [0, 4], atol=1e-6)
    assert (found.occlusion == 0).all()
    cameras = camera_matrices(tables, camera_readings(tables, ["scene-0000"], ["CAM_FRONT"]))
    expected = [[FOCAL, 0, WIDTH / 2, 0], [0, FOCAL, HEIGHT / 2, 0], [0, 0, 1, 0]]
    assert cameras.tolist() == [expected, expected]


def test_cut_objects_say_how_much_is_outside(random_tables: NuScenesTables) -> None:
    found = camera_objects(random_tables, camera_readings(random_tables, ["scene-0000"], CAMERAS))
    assert len(found.names) > 20
    assert (found.boxes >= 0).all()
    assert (found.boxes <= [WIDTH, HEIGHT] * 2).all()
    inside = (found.boxes > 0).all(axis=1) & (found.boxes < [WIDTH, HEIGHT] * 2).all(axis=1)
    np.testing.assert_allclose(found.truncation[inside], 0, atol=1e-12)
    assert ((found.truncation[~inside] > 0) & (found.truncation[~inside] < 1)).all()


def test_projected_corners_are_those_of_the_map(
    random_tables: NuScenesTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From corners in the map, by homogeneous coordinates, to pixels."""
    tables = random_tables
    monkeypatch.setattr("vision.data.formats.nuscenes._BLOCK", 16)
    readings = camera_readings(tables, ["scene-0000"], CAMERAS)
    found, objects, checked = camera_objects(tables, readings), tables.objects, 0
    boxes = from_nuscenes(
        *(torch.from_numpy(c) for c in (objects.centres, objects.sizes, objects.rotations))
    )
    corners = box_corners(boxes, NUSCENES).numpy()
    for image, reading in enumerate(readings.tolist()):
        read = tables.readings
        pose = read.to_global[reading] @ read.to_vehicle[reading]
        rows = np.arange(len(boxes))[tables.objects_of(int(read.samples[reading]))]
        expected = []
        for row in rows[(objects.lidar_points + objects.radar_points)[rows] > 0]:
            points = np.linalg.solve(pose, np.c_[corners[row], np.ones(8)].T)[:3]
            if (points[2] < 0.1).any():
                continue
            pixels = (read.intrinsics[reading] @ points)[:2] / points[2]
            low, high = (np.clip(p, 0, [WIDTH, HEIGHT]) for p in (pixels.min(1), pixels.max(1)))
            if (low < high).all():
                expected.append([*low, *high])
        ours = found.boxes[found.of(image)]
        # Without those that pass the camera.
        for box in expected:
            assert np.abs(ours - box).max(axis=1).min() < 1e-9
            checked += 1
    assert checked > 20


def test_points_and_boxes_share_the_frame_of_the_lidar(
    tables: NuScenesTables, tmp_path: Path
) -> None:
    sample, lidar = 1, tables.channels.index(LIDAR)
    file = tmp_path / tables.readings.files[tables.reading_of[sample, lidar]].decode()
    file.parent.mkdir(parents=True)
    # The lidar has x right, y ahead: what it sees of the rear of the car.
    there = [0.0, X - 1 + 2 - CAR_SIZE[1] / 2, Z - 1.5]
    file.write_bytes(np.array([[*there, 30, 7]], dtype="<f4").tobytes())
    scene = lidar_scene(tables, tmp_path, sample)
    np.testing.assert_allclose(scene.points, [[*there, 30, 7]], rtol=1e-6)
    width, length, height = CAR_SIZE
    car = [0, X + 1, Z - 1.5, length, height, width, math.pi / 2]
    np.testing.assert_allclose(scene.boxes3d[0], car, atol=1e-9)
    np.testing.assert_allclose(scene.velocity[0], [0, 4], atol=1e-6)
    names = [CLASSES[label] if label >= 0 else None for label in scene.labels]
    assert names == ["car", "motorcycle", "truck", None, "car"]
    assert scene.lidar_points.tolist() == [9, 3, 9, 2, 0]
    rear = box_corners(torch.from_numpy(scene.boxes3d[0]), NUSCENES).numpy()[:, 1].min()
    assert scene.points[0, 1] == pytest.approx(rear)


def test_broken_points_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pcd.bin"
    path.write_bytes(b"\0" * 41)
    with refuses(DataError, "a.pcd.bin", "41 bytes", "multiple of 20"):
        read_points(path)
    path.write_bytes(np.array([[0, 0, 0, 0, 0], [1, np.nan, 3, 0, 0]], dtype="<f4").tobytes())
    with refuses(DataError, "a.pcd.bin", "nan", "at 1", "finite"):
        read_points(path)
    with refuses(DataError, "no file of points", "b.pcd.bin"):
        read_points(tmp_path / "b.pcd.bin")


@pytest.mark.parametrize(
    ("table", "key", "value", "parts"),
    [
        ("calibrated_sensor", "camera_intrinsic", [], ["CAM_FRONT/", "camera_intrinsic"]),
        ("calibrated_sensor", "camera_intrinsic", [[-9, 0, 1], [0, 9, 1], [0, 0, 1]], ["above 0"]),
        ("sample_data", "width", 0, ["CAM_FRONT/", "'height' and 'width'", "sample_data.json"]),
    ],
)
def test_cameras_need_a_matrix_and_a_size(
    table: str, key: str, value: object, parts: list[str], tmp_path: Path
) -> None:
    tables: Tables = tiny_drive(1)
    tables.records[table][0][key] = value
    read = read_nuscenes(tables.write(tmp_path))
    with refuses(DataError, *parts):
        camera_readings(read, ["scene-0000"], CAMERAS)
