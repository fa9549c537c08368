"""nuScenes' tables as arrays: poses, boxes, velocities, and what is said of broken ones."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.nuscenes import FOCAL, Tables, random_drive
from helpers.refusals import refuses

from vision.annotations.nuscenes import NuScenesTables, read_nuscenes, read_scenes
from vision.annotations.nuscenes_names import CAMERAS, CLASSES, LIDAR
from vision.errors import DataError

SECOND = 1_000_000
CAR = [2.0, 4.0, 1.5]


@pytest.fixture(scope="module")
def drive() -> Tables:
    """Two scenes: a car of three frames, a stroller, a barrier; then another car."""
    tables = Tables()
    first, second = tables.scene("scene-0001"), tables.scene("scene-0002")
    frames = [
        tables.sample(first, SECOND * time, [10.0 * time, 0.0, 0.0], math.pi / 2)
        for time in (100, 101, 102)
    ]
    frames.append(tables.sample(second, SECOND * 500, [0.0, 0.0, 0.0], 0.0))
    car, other = tables.instance("vehicle.car"), tables.instance("vehicle.car")
    stroller = tables.instance("human.pedestrian.stroller")
    barrier = tables.instance("movable_object.barrier")
    for frame, x in zip(frames[:3], (0.0, 1.0, 5.0), strict=True):
        tables.annotation(frame, car, [x, 2.0, 1.0], CAR, attribute="vehicle.moving")
    tables.annotation(frames[1], stroller, [3.0, 3.0, 0.5], [0.5, 1.0, 1.0], points=(0, 2))
    tables.annotation(frames[0], barrier, [1.0, 1.0, 0.5], [2.0, 0.5, 1.0], 0.5)
    tables.annotation(frames[3], other, [0.0, 9.0, 1.0], CAR)
    return tables


@pytest.fixture(scope="module")
def folder(drive: Tables, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drive.write(tmp_path_factory.mktemp("nuscenes") / "v1.0-mini")


@pytest.fixture(scope="module")
def read(folder: Path) -> NuScenesTables:
    return read_nuscenes(folder)


def test_each_key_frame_has_its_readings(read: NuScenesTables) -> None:
    assert read.scenes == ["scene-0001", "scene-0002"]
    assert read.scene_of.tolist() == [0, 0, 0, 1]
    assert read.channels == (*CAMERAS, LIDAR)
    # Neither sweeps nor radars.
    assert len(read.readings.samples) == 4 * 7
    for sample, token in enumerate(read.samples.tolist()):
        for channel, name in enumerate(read.channels):
            reading = read.reading_of[sample, channel]
            file = read.readings.files[reading].decode()
            assert file.startswith(f"samples/{name}/{token.decode()[-8:]}.")
            assert (read.readings.sizes[reading] > 0).all() == (name != LIDAR)
            assert read.readings.intrinsics[reading, 0, 0] == (FOCAL if name != LIDAR else 0)


def test_poses_lead_from_sensors_to_the_map(read: NuScenesTables) -> None:
    # The vehicle is at x = 1020 m and looks along y.
    front, lidar = (read.reading_of[2, read.channels.index(n)] for n in ("CAM_FRONT", LIDAR))
    for reading, point in ((front, [0.0, 0, 5, 1]), (lidar, [0.0, 5, 0, 1])):
        there = read.readings.to_vehicle[reading] @ point
        np.testing.assert_allclose(there, [6, 0.1, 1.5, 1], atol=1e-12)
        there = read.readings.to_global[reading] @ there
        np.testing.assert_allclose(there, [1020 - 0.1, 6, 1.5, 1], atol=1e-9)


def test_boxes_have_classes_and_attributes(read: NuScenesTables, drive: Tables) -> None:
    objects = read.objects
    assert objects.samples.tolist() == [0, 0, 1, 1, 2, 3]
    labels = [CLASSES[label] if label >= 0 else None for label in objects.labels]
    assert labels == ["car", "barrier", "car", None, "car", "car"]
    assert read.categories[objects.categories[3]] == "human.pedestrian.stroller"
    attributes = [read.attributes[one] if one >= 0 else None for one in objects.attributes]
    assert attributes == ["vehicle.moving", None, "vehicle.moving", None, "vehicle.moving", None]
    assert objects.lidar_points.tolist() == [5, 5, 5, 0, 5, 5]
    assert objects.radar_points.tolist() == [0, 0, 0, 2, 0, 0]
    assert (objects.visibility == 4).all()
    assert read.objects_of(1) == slice(2, 4)
    assert objects.sizes[1].tolist() == [2.0, 0.5, 1.0]
    token = objects.tokens[1].decode()
    record = next(r for r in drive.records["sample_annotation"] if r["token"] == token)
    assert objects.rotations[1].tolist() == record["rotation"]


def test_velocity_is_the_way_between_neighbours(read: NuScenesTables) -> None:
    velocity = read.objects.velocities
    # One neighbour, both, one; the other objects have none.
    np.testing.assert_allclose(velocity[[0, 2, 4]], [[1, 0, 0], [2.5, 0, 0], [4, 0, 0]], rtol=1e-9)
    assert np.isnan(velocity[[1, 3, 5]]).all()


@pytest.mark.parametrize(
    ("times", "known"),
    [((0, 1.5), [1, 1]), ((0, 1.6), [0, 0]), ((0, 1.4, 3), [1, 1, 0]), ((0, 1, 3.1), [1, 0, 0])],
)
def test_velocity_over_a_long_gap_is_unknown(
    times: tuple[float, ...], known: list[int], tmp_path: Path
) -> None:
    tables = Tables()
    scene, car = tables.scene("scene-0001"), tables.instance("vehicle.car")
    for time in times:
        frame = tables.sample(scene, round(SECOND * time), [0.0, 0.0, 0.0], 0.0)
        tables.annotation(frame, car, [2 * time, 0.0, 0.0], CAR)
    velocity = read_nuscenes(tables.write(tmp_path)).objects.velocities[:, 0]
    np.testing.assert_allclose(velocity, np.where(known, 2, np.nan), rtol=1e-9)


def test_scenes_are_chosen_by_name(read: NuScenesTables, folder: Path, tmp_path: Path) -> None:
    names = tmp_path / "val.txt"
    names.write_text("scene-0002\n\n")
    part = read_nuscenes(folder, channels=("CAM_BACK",), scenes=read_scenes(names))
    assert part.scenes == ["scene-0002"]
    assert part.samples.tolist() == read.samples[3:].tolist()
    assert part.other_samples == {token.decode() for token in read.samples[:3].tolist()}
    assert part.reading_of.tolist() == [[0]]
    assert part.objects.tokens.tolist() == read.objects.tokens[5:].tolist()
    names.write_text("scene-0002\nscene-9\n")
    with refuses(DataError, "1 of 2", "scene-9", "scene.json", "scene-0001"):
        read_nuscenes(folder, scenes=read_scenes(names))
    names.write_text("\n")
    with refuses(DataError, "val.txt", "scene-0003"):
        read_scenes(names)


def test_a_set_without_annotations_has_no_objects(drive: Tables, tmp_path: Path) -> None:
    drive.write(tmp_path)
    for name in ("sample_annotation", "instance"):
        (tmp_path / f"{name}.json").write_text("[]")
    read = read_nuscenes(tmp_path)
    assert len(read.objects.samples) == 0
    assert read.objects.velocities.shape == (0, 3)
    assert read.objects_of(3) == slice(0, 0)


def test_blocks_are_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tables = random_drive(np.random.default_rng(0), scenes=2, samples=3, objects=8)
    whole = read_nuscenes(tables.write(tmp_path))
    monkeypatch.setattr("vision.annotations.nuscenes_tables._BLOCK", 5)
    parts = read_nuscenes(tmp_path)
    for side in ("readings", "objects"):
        for a, b in zip(getattr(whole, side), getattr(parts, side), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("table", "key", "value", "parts"),
    [
        ("sample", "timestamp", "now", ["'timestamp' is 'now'", "a whole number"]),
        ("sample", "scene_token", "", ["'scene_token' is ''", "a token"]),
        ("calibrated_sensor", "rotation", [0, 0, 0, 0], ["'rotation'", "not all 0"]),
        ("calibrated_sensor", "translation", [1, 2], ["[1, 2]", "three finite numbers"]),
        ("calibrated_sensor", "camera_intrinsic", [[1, 2], [3]], ["three rows of three"]),
        ("calibrated_sensor", "sensor_token", "nothing", ["'nothing'", "sensor.json"]),
        ("sample_data", "ego_pose_token", "nothing", ["'nothing'", "ego_pose.json"]),
        ("sample_data", "calibrated_sensor_token", "no", ["'no'", "calibrated_sensor.json"]),
        ("sample_data", "sample_token", "nothing", ["'nothing'", "sample.json"]),
        ("sample_data", "filename", 3, ["'filename' is 3", "a text"]),
        ("sample_annotation", "size", [1, 0, 2], ["'size' is [1, 0, 2]", "above 0"]),
        ("sample_annotation", "size", [1, "2", 2], ["'size'", "above 0"]),
        ("sample_annotation", "translation", [1, math.nan, 2], ["nan", "three finite numbers"]),
        ("sample_annotation", "next", "nothing", ["'next' is 'nothing'", "does not have"]),
        ("sample_annotation", "attribute_tokens", ["a", "b"], ["['a', 'b']", "one token or none"]),
        ("sample_annotation", "num_lidar_pts", True, ["'num_lidar_pts' is True"]),
        ("sample_annotation", "sample_token", "nothing", ["sample.json"]),
        ("instance", "category_token", "nothing", ["'nothing'", "category.json"]),
    ],
)
def test_a_wrong_value_is_named(
    drive: Tables, tmp_path: Path, table: str, key: str, value: Any, parts: list[str]
) -> None:
    records = json.loads(json.dumps(drive.records))
    records[table][0][key] = value
    _write(records, tmp_path)
    with refuses(DataError, f"{table}.json", records[table][0]["token"], *parts) as caught:
        read_nuscenes(tmp_path)
    assert len(str(caught.value).splitlines()) <= 8


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ("scene", "name"),
        ("sample_data", "is_key_frame"),
        ("sample_data", "height"),
        ("ego_pose", "token"),
        ("sample_annotation", "sample_token"),
    ],
)
def test_an_absent_key_is_named(drive: Tables, tmp_path: Path, table: str, key: str) -> None:
    records = json.loads(json.dumps(drive.records))
    del records[table][1][key]
    _write(records, tmp_path)
    with refuses(DataError, f"{table}.json", "record 2", f"has no '{key}'"):
        read_nuscenes(tmp_path)


def test_other_files_are_refused(drive: Tables, tmp_path: Path) -> None:
    with refuses(DataError, "no folder", "v1.0-trainval"):
        read_nuscenes(tmp_path / "nowhere")
    drive.write(tmp_path)
    records = json.loads(json.dumps(drive.records))
    _write(records | {"scene": records["scene"] + records["scene"][:1]}, tmp_path)
    with refuses(DataError, "scene.json", "occurs twice", records["scene"][0]["token"]):
        read_nuscenes(tmp_path)
    _write(records | {"scene": [*records["scene"], 7]}, tmp_path)
    with refuses(DataError, "scene.json", "record 3 is 7, expected an object"):
        read_nuscenes(tmp_path)
    _write(records | {"sample": []}, tmp_path)
    with refuses(DataError, "sample.json", "no key frame of 2 scenes"):
        read_nuscenes(tmp_path)
    (tmp_path / "scene.json").unlink()
    with refuses(DataError, "no table", "scene.json"):
        read_nuscenes(tmp_path)


def _write(records: dict[str, list[Any]], folder: Path) -> None:
    for name, entries in records.items():
        (folder / f"{name}.json").write_text(json.dumps(entries))
