"""nuScenes: its key frames with their sensors, poses and annotated boxes, as arrays.

"nuScenes: A Multimodal Dataset for Autonomous Driving", Caesar et al., 2020, arXiv 1903.11027. The
tables are those of its archives of metadata; `log`, `map` and `visibility` are not needed, since
levels of visibility are the tokens themselves. PyTorch is not needed.

Letters: C scenes, F key frames (samples), R readings of sensors, M annotated objects.
"""

from collections.abc import Collection, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vision.annotations.nuscenes_names import CAMERAS, LIDAR, class_of
from vision.annotations.nuscenes_tables import (
    FLAG,
    INTRINSICS,
    LINK,
    PLACE,
    QUATERNION,
    SINGLE,
    SIZE,
    TEXT,
    TOKEN,
    WHOLE,
    Record,
    Table,
    read_table,
)
from vision.documents.text import read_lines
from vision.errors import DataError, listed
from vision.ops.quaternions import rigid_transforms
from vision.reading import MAX_SETTINGS_BYTES
from vision.wording import counted

# Seconds between neighbouring annotations of an object that give its velocity.
MAX_TIME_GAP = 1.5


class Readings(NamedTuple):
    """Images and point clouds of key frames.

    Attributes:
        samples: int64 `(R,)`, the key frame.
        channels: int64 `(R,)`, index in the channels that were asked for.
        files: Paths below the dataset's folder, bytes `(R,)` in UTF-8.
        sizes: int64 `(R, 2)`, height and width in pixels; 0 for a lidar.
        intrinsics: float64 `(R, 3, 3)`, from the sensor's frame to pixels; 0 for a lidar.
        to_vehicle: float64 `(R, 4, 4)`, from the sensor's frame to the vehicle's. A camera has x
            right, y down, z ahead; the lidar x right, y ahead, z up.
        to_global: float64 `(R, 4, 4)`, from the vehicle's frame, of the reading's time, to the
            map's.
    """

    samples: np.ndarray
    channels: np.ndarray
    files: np.ndarray
    sizes: np.ndarray
    intrinsics: np.ndarray
    to_vehicle: np.ndarray
    to_global: np.ndarray


class Objects(NamedTuple):
    """Annotated boxes in the map's frame, by key frame, in the order of the table.

    Attributes:
        tokens: bytes `(M,)`.
        samples: int64 `(M,)`, the key frame, ascending.
        categories: int64 `(M,)`, index in the categories.
        labels: int64 `(M,)`, index of the detection class; -1 for none.
        attributes: int64 `(M,)`, index in the attributes; -1 for none.
        centres: float64 `(M, 3)` in metres.
        sizes: float64 `(M, 3)`, width, length, height in metres.
        rotations: float64 `(M, 4)`, quaternions w, x, y, z.
        velocities: float64 `(M, 3)` in metres per second; NaN if unknown.
        lidar_points: int64 `(M,)`, points of the lidar on the object.
        radar_points: int64 `(M,)`, likewise.
        visibility: int64 `(M,)`, 1 to 4: up to 40, 60, 80, 100 % is visible in the six images
            together; 0 if unknown.
    """

    tokens: np.ndarray
    samples: np.ndarray
    categories: np.ndarray
    labels: np.ndarray
    attributes: np.ndarray
    centres: np.ndarray
    sizes: np.ndarray
    rotations: np.ndarray
    velocities: np.ndarray
    lidar_points: np.ndarray
    radar_points: np.ndarray
    visibility: np.ndarray


class NuScenesTables:
    """The key frames of some scenes.

    Attributes:
        folder: Folder of the tables.
        channels: The sensors that were asked for.
        scenes: Names of the C scenes.
        samples: Tokens of the F key frames, bytes `(F,)`.
        scene_of: int64 `(F,)`, index of the scene of each.
        other_samples: Tokens of the key frames of other scenes.
        readings: Images and point clouds.
        categories: Names of all categories.
        attributes: Names of all attributes.
        objects: Annotated boxes; none in a set without annotations.
    """

    def __init__(
        self,
        folder: Path,
        *,
        channels: tuple[str, ...],
        scenes: list[str],
        samples: np.ndarray,
        scene_of: np.ndarray,
        other_samples: frozenset[str],
        readings: Readings,
        categories: list[str],
        attributes: list[str],
        objects: Objects,
    ) -> None:
        self.folder = folder
        self.channels = channels
        self.scenes = scenes
        self.samples = samples
        self.scene_of = scene_of
        self.other_samples = other_samples
        self.readings = readings
        self.categories = categories
        self.attributes = attributes
        self.objects = objects

    @cached_property
    def reading_of(self) -> np.ndarray:
        """Reading of each key frame by each channel, int64 `(F, channels)`; -1 for none."""
        table = np.full((len(self.samples), len(self.channels)), -1, dtype=np.int64)
        table[self.readings.samples, self.readings.channels] = np.arange(len(self.readings.samples))
        return table

    @cached_property
    def object_starts(self) -> np.ndarray:
        """First object of each key frame, int64 `(F + 1,)`; the last is M."""
        return np.searchsorted(self.objects.samples, np.arange(len(self.samples) + 1))

    def objects_of(self, sample: int) -> slice:
        """The objects of a key frame."""
        return slice(*self.object_starts[sample : sample + 2].tolist())


def read_nuscenes(
    folder: Path,
    *,
    channels: tuple[str, ...] = (*CAMERAS, LIDAR),
    scenes: Collection[str] | None = None,
) -> NuScenesTables:
    """Read nuScenes' tables.

    Args:
        folder: Folder of the tables, such as `v1.0-trainval`.
        channels: Sensors whose readings are wanted.
        scenes: Names of the scenes to read; None for all.

    Raises:
        DataError: A table is absent, not in nuScenes' format, or refers to what is not there, or
            has no such scene; the message has file, token and key.
    """
    scene = _scenes(folder, scenes)
    every = read_table(folder, "sample", {"timestamp": WHOLE, "scene_token": TOKEN})
    sample = every.select(scene.rows(every.columns["scene_token"]) >= 0)
    # What belongs to another scene is passed over; what belongs to none is refused.
    other = frozenset(_texts(every.tokens)) - frozenset(_texts(sample.tokens))
    if not len(sample.tokens):
        raise DataError(
            f"'{sample.path}' has no key frame of {counted(len(scene.tokens), 'scenes')}."
        )
    category = read_table(folder, "category", {"name": TEXT})
    attribute = read_table(folder, "attribute", {"name": TEXT})
    return NuScenesTables(
        folder,
        channels=channels,
        scenes=_names(scene),
        samples=sample.tokens,
        scene_of=sample.follow("scene_token", scene),
        other_samples=other,
        readings=_readings(folder, sample, other, channels),
        categories=_names(category),
        attributes=_names(attribute),
        objects=_objects(folder, sample, other, category, attribute),
    )


def read_scenes(path: Path) -> list[str]:
    """The names of scenes in a text file, one per line, such as `scene-0003`.

    Raises:
        DataError: The file is absent or has no name.
    """
    names = read_lines(path, max_bytes=MAX_SETTINGS_BYTES, what="list of scenes")
    if not names:
        raise DataError(f"'{path}' lists no scene; expected a name such as scene-0003 per line.")
    return names


def _names(table: Table) -> list[str]:
    return [name.decode() for name in table.columns["name"].tolist()]


def _scenes(folder: Path, wanted: Collection[str] | None) -> Table:
    scene = read_table(folder, "scene", {"name": TEXT})
    if wanted is None:
        return scene
    names = _names(scene)
    known, chosen = set(names), set(wanted)
    if missing := [name for name in wanted if name not in known]:
        raise DataError(
            f"{len(missing):,} of {len(wanted):,} scenes are not in '{scene.path}': "
            f"{listed(missing, maximum=3)}. It has {len(names):,}, such as "
            f"{listed(names, maximum=2)}. Name the folder of tables and the list of scenes that "
            "belong together."
        )
    return scene.select(np.array([name in chosen for name in names], dtype=bool))


def _readings(
    folder: Path, sample: Table, other: frozenset[str], channels: Sequence[str]
) -> Readings:
    sensor = read_table(folder, "sensor", {"channel": TEXT})
    number = {name.encode(): i for i, name in enumerate(channels)}
    channel = np.array([number.get(one, -1) for one in sensor.columns["channel"].tolist()], int)
    kinds = {"sensor_token": TOKEN, "translation": PLACE, "rotation": QUATERNION}
    kinds["camera_intrinsic"] = INTRINSICS
    calibration = read_table(folder, "calibrated_sensor", kinds)
    channel = channel[calibration.follow("sensor_token", sensor)]
    # A tenth of 2.6 million readings belongs to these sensors and to key frames.
    unwanted = set(_texts(calibration.tokens[channel < 0]))

    def keep_reading(record: Record) -> bool:
        if not record["is_key_frame"] or record["sample_token"] in other:
            return False
        return record["calibrated_sensor_token"] not in unwanted

    kinds = {"sample_token": TOKEN, "calibrated_sensor_token": TOKEN, "ego_pose_token": TOKEN}
    kinds |= {"filename": TEXT, "height": WHOLE, "width": WHOLE, "is_key_frame": FLAG}
    data = read_table(folder, "sample_data", kinds, keep=keep_reading)
    calibrated = data.follow("calibrated_sensor_token", calibration)
    poses = set(_texts(data.columns["ego_pose_token"]))
    kinds = {"translation": PLACE, "rotation": QUATERNION}
    pose = read_table(folder, "ego_pose", kinds, keep=lambda record: record["token"] in poses)
    posed = data.follow("ego_pose_token", pose)
    return Readings(
        samples=data.follow("sample_token", sample),
        channels=channel[calibrated],
        files=data.columns["filename"],
        sizes=np.stack([data.columns["height"], data.columns["width"]], axis=-1),
        intrinsics=calibration.columns["camera_intrinsic"][calibrated],
        to_vehicle=_transforms(calibration)[calibrated],
        to_global=_transforms(pose)[posed],
    )


def _transforms(table: Table) -> np.ndarray:
    return rigid_transforms(table.columns["rotation"], table.columns["translation"])


def _texts(tokens: np.ndarray) -> list[str]:
    return [token.decode() for token in tokens.tolist()]


def _objects(
    folder: Path, sample: Table, other: frozenset[str], category: Table, attribute: Table
) -> Objects:
    kinds = {"sample_token": TOKEN, "instance_token": TOKEN, "attribute_tokens": SINGLE}
    kinds |= {"translation": PLACE, "size": SIZE, "rotation": QUATERNION, "prev": LINK}
    kinds |= {"next": LINK, "num_lidar_pts": WHOLE, "num_radar_pts": WHOLE}
    kinds |= {"visibility_token": LINK}
    table = read_table(
        folder, "sample_annotation", kinds, keep=lambda one: one["sample_token"] not in other
    )
    instance = read_table(folder, "instance", {"category_token": TOKEN})
    categories = instance.follow("category_token", category)
    categories = categories[table.follow("instance_token", instance)]
    labels = np.array([class_of(name) for name in _names(category)], dtype=np.int64)
    columns = table.columns
    place = table.follow("sample_token", sample)
    objects = Objects(
        tokens=table.tokens,
        samples=place,
        categories=categories,
        labels=labels[categories] if len(categories) else categories,
        attributes=table.follow("attribute_tokens", attribute, optional=True),
        centres=columns["translation"],
        sizes=columns["size"],
        rotations=columns["rotation"],
        velocities=_velocities(table, sample.columns["timestamp"][place]),
        lidar_points=columns["num_lidar_pts"],
        radar_points=columns["num_radar_pts"],
        visibility=_visibility(columns["visibility_token"]),
    )
    order = np.argsort(place, kind="stable")
    return Objects(*(column[order] for column in objects))


def _visibility(tokens: np.ndarray) -> np.ndarray:
    levels = np.zeros(len(tokens), dtype=np.int64)
    for level in range(1, 5):
        levels[tokens == str(level).encode()] = level
    return levels


def _velocities(table: Table, times: np.ndarray) -> np.ndarray:
    """Velocities by the neighbouring annotations of each object, as the development kit has them.

    Args:
        table: The annotations.
        times: int64 `(M,)` in microseconds.

    Returns:
        float64 `(M, 3)`: the way from the previous to the next annotation over its time; that from
        or to the object itself where it has one neighbour; NaN where it has none or the time is
        longer than `MAX_TIME_GAP` per step.
    """
    own = np.arange(len(table.tokens))
    before = table.follow("prev", table, optional=True)
    after = table.follow("next", table, optional=True)
    steps = (before >= 0).astype(int) + (after >= 0)
    first, last = np.where(before >= 0, before, own), np.where(after >= 0, after, own)
    way = table.columns["translation"][last] - table.columns["translation"][first]
    # Seconds before the difference, as there: 64 bits hold them to 2e-7 only, which can be seen.
    seconds = 1e-6 * times
    time = seconds[last] - seconds[first]
    known = (steps > 0) & (time > 0) & (time <= MAX_TIME_GAP * steps)
    return np.where(known[:, None], way / np.where(known, time, 1)[:, None], np.nan)
