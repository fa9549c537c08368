"""nuScenes: images of six cameras with boxes in space."""

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from vision.annotations.file_names import require_within
from vision.annotations.nuscenes import NuScenesTables, read_nuscenes, read_scenes
from vision.annotations.nuscenes_names import CAMERAS, CLASSES
from vision.data.base.boxes3d import Boxes3DData, Boxes3DLoading
from vision.data.base.splits import Split
from vision.data.files.finding import PathList, require_folder
from vision.data.formats.nuscenes import (
    camera_matrices,
    camera_objects,
    camera_readings,
    object_names,
)
from vision.data.index.boxes3d import Boxes3DIndex
from vision.errors import ConfigError, DataError, suggest
from vision.keywords import Unpack
from vision.reading import user_path
from vision.wording import counted

IMAGE_SIZE = (448, 800)
EXPECTED = (
    "Expected ROOT/{samples/{CAM_FRONT,...}, v1.0-trainval/{scene,sample,...}.json} and "
    "ROOT/splits/{train,val}.txt, names of scenes such as scene-0003, one per line (the lists are "
    "in nuScenes' development kit)."
)


class NuScenes(Boxes3DData):
    """nuScenes' key frames: each image of a camera is a sample, with the boxes that are seen in it.

    "nuScenes: A Multimodal Dataset for Autonomous Driving", Caesar et al., 2020. The classes are
    the ten of its detection task. Boxes are moved from the map to the frame of each camera at its
    own time; those without a point of the lidar or a radar are left out. An object counts in every
    image that it is seen in. The validation split is tested and predicted.

    Args:
        root: The folder of `samples`, the tables and `splits`.
        version: Folder of the tables below it.
        train_scenes: Text file with the names of the scenes to train on, one per line; None for
            `splits/train.txt` below the root.
        val_scenes: Likewise, of the scenes to evaluate; None for `splits/val.txt`.
        cameras: The cameras to use.
        image_size: As in `Boxes3DData`.
        trained: As in `Boxes3DData`.
        **options: Other keywords of `Boxes3DData`.

    Raises:
        ConfigError: An option is out of its range, or a class or camera is unknown.
    """

    expected = EXPECTED

    def __init__(
        self,
        *,
        root: str | os.PathLike[str],
        version: str = "v1.0-trainval",
        train_scenes: str | os.PathLike[str] | None = None,
        val_scenes: str | os.PathLike[str] | None = None,
        cameras: Sequence[str] = CAMERAS,
        image_size: tuple[int, int] = IMAGE_SIZE,
        trained: Sequence[str] | None = None,
        **options: Unpack[Boxes3DLoading],
    ) -> None:
        super().__init__(image_size=image_size, trained=trained, **options)
        self.root = user_path(root)
        self.version = version
        self.cameras = tuple(cameras)
        unknown = [name for name in self.cameras if name not in CAMERAS]
        if unknown or not self.cameras:
            what = f"the camera {unknown[0]!r}" if unknown else "no camera"
            near = suggest(unknown[0], CAMERAS) if unknown else ""
            raise ConfigError(f"cameras has {what}; nuScenes has {', '.join(CAMERAS)}.{near}")
        given = {"train": train_scenes, "val": val_scenes}
        self._lists: dict[str, Path] = {
            split: self.root / "splits" / f"{split}.txt" if path is None else user_path(path)
            for split, path in given.items()
        }

    @property
    def class_names(self) -> tuple[str, ...]:
        """The ten classes of the detection task."""
        return CLASSES

    @cached_property
    def tables(self) -> NuScenesTables:
        """The tables of the scenes of the splits that have a list, read when they are first used.

        Raises:
            DataError: A file is absent or broken.
        """
        folder = self.root / self.version
        require_folder(folder, EXPECTED)
        lists = [path for path in self._lists.values() if path.is_file()]
        names = [name for path in lists for name in read_scenes(path)]
        return read_nuscenes(folder, channels=self.cameras, scenes=list(dict.fromkeys(names)))

    def read_index(self, split: Split) -> Boxes3DIndex:
        """List the images of a split, and what is seen in them.

        Raises:
            DataError: A table or list of scenes is absent or broken.
        """
        path = self._lists[split]
        scenes = read_scenes(path)
        tables = self.tables
        readings = camera_readings(tables, scenes, self.cameras)
        if not len(readings):
            raise DataError(
                f"the {counted(len(scenes), 'scenes')} of '{path}' have no image of "
                f"{', '.join(self.cameras)} in '{tables.folder / 'sample_data.json'}'. {EXPECTED}"
            )
        files = [name.decode() for name in tables.readings.files[readings].tolist()]
        require_within(files, f"'{tables.folder / 'sample_data.json'}'")
        names, labels = object_names(tables)
        # A set of tables without any annotation is one for the test server.
        annotated = len(tables.objects.samples) > 0
        return Boxes3DIndex(
            images=PathList(str(self.root / file) for file in files),
            cameras=camera_matrices(tables, readings),
            object_names=names,
            labels=labels,
            objects=camera_objects(tables, readings) if annotated else None,
        )
