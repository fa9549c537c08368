"""nuScenes' tables and results of random drives, with all that its archives have."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from vision.annotations.nuscenes_names import (
    ATTRIBUTES,
    BICYCLE_RACK,
    CAMERAS,
    CLASSES,
    DETECTION_CLASSES,
    LIDAR,
)

TABLES = ("attribute", "calibrated_sensor", "category", "ego_pose", "instance", "log", "map")
TABLES += ("sample", "sample_annotation", "sample_data", "scene", "sensor", "visibility")
CATEGORIES = [name for each in DETECTION_CLASSES.values() for name in each.categories]
CATEGORIES += [BICYCLE_RACK, "animal", "human.pedestrian.stroller"]
RADAR = "RADAR_FRONT"
# Columns and rows of an image, and a focal length that shows 70 degrees of it.
WIDTH, HEIGHT, FOCAL = 160, 90, 114.0
# Camera frame to a frame with x ahead, y left, z up.
_AHEAD = np.array([0.5, -0.5, 0.5, -0.5])
_TURNS = dict(zip(CAMERAS, np.deg2rad([0, -55, -110, 180, 110, 55]), strict=True))

Records = dict[str, list[dict[str, Any]]]


def turned(yaw: float) -> np.ndarray:
    """Quaternion of a turn about the vertical."""
    return np.array([np.cos(yaw / 2), 0, 0, np.sin(yaw / 2)])


def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Product of quaternions w, x, y, z: first b, then a."""
    w, v = a[0] * b[0] - a[1:] @ b[1:], a[0] * b[1:] + b[0] * a[1:] + np.cross(a[1:], b[1:])
    return np.array([w, *v])


class Tables:
    """Tables that grow record by record.

    Attributes:
        records: The records of each table.
    """

    def __init__(self) -> None:
        self.records: Records = {name: [] for name in TABLES}
        self._last: dict[str, dict[str, Any]] = {}
        for name in CATEGORIES:
            self.add("category", name=name, description="")
        for name in ATTRIBUTES:
            self.add("attribute", name=name, description="")
        for level in ("v0-40", "v40-60", "v60-80", "v80-100"):
            token = str(len(self.records["visibility"]) + 1)
            self.records["visibility"].append({"description": "", "token": token, "level": level})
        self.log = self.add("log", logfile="", vehicle="n000", date_captured="", location="")
        self.add("map", category="semantic_prior", filename="maps/a.png", log_tokens=[self.log])
        self.calibrations = {channel: self._sensor(channel) for channel in _TURNS}
        self.calibrations |= {name: self._sensor(name) for name in (LIDAR, RADAR)}

    def add(self, table: str, **values: Any) -> str:
        """Add a record; returns its token."""
        token = f"{TABLES.index(table):08x}{len(self.records[table]):024x}"
        self.records[table].append({"token": token, **values})
        return token

    def _sensor(self, channel: str) -> str:
        modality = channel.split("_")[0].lower().replace("cam", "camera")
        sensor = self.add("sensor", channel=channel, modality=modality)
        camera = channel in _TURNS
        turn = product(turned(_TURNS[channel]), _AHEAD) if camera else turned(-np.pi / 2)
        matrix = [[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]] if camera else []
        return self.add(
            "calibrated_sensor",
            sensor_token=sensor,
            translation=[1.0, 0.1, 1.5],
            rotation=turn.tolist(),
            camera_intrinsic=matrix,
        )

    def scene(self, name: str) -> str:
        """Add a scene without key frames."""
        return self.add(
            "scene",
            log_token=self.log,
            nbr_samples=0,
            first_sample_token="",
            last_sample_token="",
            name=name,
            description="",
        )

    def sample(self, scene: str, time: int, place: list[float], yaw: float) -> str:
        """Add a key frame with its readings, and a sweep of the lidar after it.

        Args:
            scene: Token of the scene.
            time: In microseconds.
            place: x, y, z of the vehicle.
            yaw: Its direction.
        """
        sample = self.add("sample", timestamp=time, prev="", next="", scene_token=scene)
        for channel in (*self.calibrations, LIDAR):
            key = not any(
                one["sample_token"] == sample and one["filename"].startswith(f"samples/{channel}/")
                for one in self.records["sample_data"][-len(self.calibrations) :]
            )
            pose = self.add(
                "ego_pose", timestamp=time, rotation=turned(yaw).tolist(), translation=place
            )
            camera = channel in _TURNS
            kind = "jpg" if camera else "pcd.bin" if channel == LIDAR else "pcd"
            room = "samples" if key else "sweeps"
            self.add(
                "sample_data",
                sample_token=sample,
                ego_pose_token=pose,
                calibrated_sensor_token=self.calibrations[channel],
                timestamp=time,
                fileformat=kind.split(".")[0],
                is_key_frame=key,
                height=HEIGHT * camera,
                width=WIDTH * camera,
                filename=f"{room}/{channel}/{sample[-8:]}.{kind}",
                prev="",
                next="",
            )
        return sample

    def instance(self, category: str) -> str:
        """Add an object without annotations."""
        token = self.records["category"][CATEGORIES.index(category)]["token"]
        return self.add(
            "instance",
            category_token=token,
            nbr_annotations=0,
            first_annotation_token="",
            last_annotation_token="",
        )

    def annotation(
        self,
        sample: str,
        instance: str,
        place: list[float],
        size: list[float],
        yaw: float = 0.0,
        *,
        attribute: str = "",
        points: tuple[int, int] = (5, 0),
    ) -> str:
        """Add a box, which follows the last one of its object.

        Args:
            sample: Token of the key frame.
            instance: Token of the object.
            place: x, y, z in the map.
            size: Width, length, height.
            yaw: Direction in the map.
            attribute: Its name; empty for none.
            points: Of the lidar, of radars.
        """
        last = self._last.get(instance)
        tokens = [one["token"] for one in self.records["attribute"] if one["name"] == attribute]
        token = self.add(
            "sample_annotation",
            sample_token=sample,
            instance_token=instance,
            visibility_token="4",
            attribute_tokens=tokens,
            translation=place,
            size=size,
            rotation=turned(yaw).tolist(),
            prev=last["token"] if last else "",
            next="",
            num_lidar_pts=points[0],
            num_radar_pts=points[1],
        )
        if last:
            last["next"] = token
        self._last[instance] = self.records["sample_annotation"][-1]
        return token

    def write(self, folder: Path) -> Path:
        """Write the tables as the archives have them; returns the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, records in self.records.items():
            (folder / f"{name}.json").write_text(json.dumps(records, indent=0))
        return folder


def random_drive(rng: np.random.Generator, *, scenes: int, samples: int, objects: int) -> Tables:
    """Vehicles that drive past moving objects of all categories, and bicycles in racks."""
    tables = Tables()
    for number in range(scenes):
        scene = tables.scene(f"scene-{number:04d}")
        start, yaw = rng.uniform(300, 900, 2), rng.uniform(-3, 3)
        times = 1_530_000_000_000_000 + np.cumsum(rng.integers(450_000, 1_700_000, samples))
        road = [start + 3 * step * np.array([np.cos(yaw), np.sin(yaw)]) for step in range(samples)]
        frames = [
            tables.sample(scene, int(time), [*place.tolist(), 0.0], yaw)
            for time, place in zip(times, road, strict=True)
        ]
        for name in [*rng.choice(CATEGORIES, objects).tolist(), BICYCLE_RACK]:
            _object(rng, tables, frames, name, start)
    return tables


def _object(
    rng: np.random.Generator, tables: Tables, frames: list[str], category: str, start: np.ndarray
) -> None:
    rack = category == BICYCLE_RACK
    instance = tables.instance(category)
    place, way = start + rng.uniform(-45, 45, 2), rng.normal(0, 1, 2)
    size = [3.0, 4.0, 2.0] if rack else rng.uniform(0.5, 5, 3).tolist()
    allowed = [
        attribute
        for each in DETECTION_CLASSES.values()
        if category in each.categories
        for attribute in each.attributes
    ]
    yaw = float(rng.uniform(-3, 3))
    cycles = [tables.instance(f"vehicle.{name}") for name in ("bicycle", "motorcycle")]
    for step, frame in enumerate(frames):
        if not rack and rng.random() < 0.2:
            continue
        here = [*(place + (0 if rack else step) * way).tolist(), 1.0]
        attribute = str(rng.choice([*allowed, ""]))
        points = (int(rng.integers(0, 3)), int(rng.integers(0, 2)))
        tables.annotation(frame, instance, here, size, yaw, attribute=attribute, points=points)
        for cycle in cycles if rack else ():
            near = [*(np.array(here[:2]) + rng.normal(0, 2, 2)).tolist(), 1.0]
            tables.annotation(frame, cycle, near, [0.6, 1.8, 1.5])


def random_results(rng: np.random.Generator, tables: Tables) -> dict[str, Any]:
    """Detections near the annotated boxes, some far away, of another class or of equal scores."""
    names = {}
    for one in tables.records["instance"]:
        category = next(
            c["name"] for c in tables.records["category"] if c["token"] == one["category_token"]
        )
        names[one["token"]] = next(
            (name for name, each in DETECTION_CLASSES.items() if category in each.categories),
            "car",
        )
    results: dict[str, list[Any]] = {one["token"]: [] for one in tables.records["sample"]}
    for one in tables.records["sample_annotation"]:
        for _ in range(int(rng.choice([0, 1, 1, 2]))):
            noise = rng.normal(0, rng.choice([0.2, 1, 3]), 3)
            name = names[one["instance_token"]]
            results[one["sample_token"]].append(
                {
                    "sample_token": one["sample_token"],
                    "translation": (np.array(one["translation"]) + noise).tolist(),
                    "size": (np.array(one["size"]) * rng.uniform(0.7, 1.3, 3)).tolist(),
                    "rotation": (turned(rng.uniform(-3, 3)) * rng.uniform(0.5, 2)).tolist(),
                    "velocity": rng.normal(0, 1, 2).tolist()
                    if rng.random() < 0.9
                    else [np.nan] * 2,
                    "detection_name": str(rng.choice(CLASSES)) if rng.random() < 0.1 else name,
                    "detection_score": float(rng.integers(1, 40)) / 40,
                    "attribute_name": str(rng.choice([*DETECTION_CLASSES[name].attributes, ""])),
                }
            )
    return {"meta": {"use_camera": True, "use_lidar": False}, "results": results}
