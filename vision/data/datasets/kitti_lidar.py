"""KITTI's object benchmark: sweeps of the lidar with calibrations and boxes in space."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from vision.annotations.kitti import CLASSES as NAMES
from vision.contracts.detection3d import OTHER
from vision.data.base.lidar import LidarData, LidarLoading
from vision.data.base.splits import Split
from vision.data.check.problems import collected_problems
from vision.data.datasets.kitti import CALIBRATIONS, CLASSES, IMAGES, LABELS
from vision.data.files.finding import PathList, find_images, require_folder, walk_folders
from vision.data.files.noted_problems import NotedProblems
from vision.data.formats.kitti_objects import absent_files, split_names, testing_names
from vision.data.formats.kitti_sweeps import KittiSweepFiles, KittiSweeps, read_sweeps
from vision.data.formats.sweep_files import BIN, SUFFIXES
from vision.data.index.lidar import LidarIndex
from vision.data.transforms.lidar_options import LidarAugment
from vision.errors import DataError
from vision.keywords import Unpack
from vision.program import command
from vision.reading import user_path
from vision.wording import counted

SWEEPS = "velodyne"
EXPECTED = (
    "Expected ROOT/training/{velodyne/000000.bin, image_2/000000.png, calib/000000.txt, "
    "label_2/000000.txt}, ... and ROOT/ImageSets/{train,val}.txt, the names of the sweeps of each "
    "split, one per line; maybe ROOT/testing/{velodyne,image_2,calib} and ROOT/ImageSets/test.txt."
)
# x forward, y left, z up in metres: the usual part of what the camera sees.
POINT_RANGE = (0.0, -40.0, -3.0, 70.4, 40.0, 1.0)
# What is behind is not seen: x is not reversed.
AUGMENT = LidarAugment(mirror=(0.0, 0.5))


class KITTILidar(LidarData):
    """KITTI's 3-D objects: sweeps of its lidar, calibrations and labels.

    The benchmark and the splits are those of `KITTI`, in the same folders. Of an image the size
    alone is read, from its header. Labels are in the frame of the camera; what is learned is moved
    to that of the lidar, `x` forward, `y` left, `z` up.

    Only objects that the camera sees are annotated, therefore points outside its image are left
    out; objects are learned if a point is left in their box. Sweeps of another lidar in this layout
    may have objects all around: without `in_view` these may be behind the camera, and without a 2-D
    box, 0 0 0 0. Evaluation sees every line of a label; by KITTI's rules an object without a 2-D
    box may be found but need not.

    The validation split is tested; the testing sweeps are predicted if they are there.

    Args:
        root: The folder of `training`, `testing` and `ImageSets`.
        train_split: Name of a list in `ImageSets`, such as `train` or `trainval`, or the path of a
            list, which ends in `.txt`.
        val_split: Likewise, of the sweeps to evaluate.
        predict_root: A folder of sweeps to predict, nested or not, with folders `calib` and
            `image_2` beside it that have a calibration and an image for each; None predicts the
            testing sweeps, or the validation split without them.
        point_range: As in `LidarData`.
        in_view: As in `LidarData`.
        augment: As in `LidarData`; y alone is mirrored by default, since the lidar looks ahead.
        **options: Other keywords of `LidarData`.

    Raises:
        ConfigError: An option is out of its range, or a class is unknown.
    """

    expected = EXPECTED

    def __init__(
        self,
        *,
        root: str | os.PathLike[str],
        train_split: str = "train",
        val_split: str = "val",
        predict_root: str | os.PathLike[str] | None = None,
        point_range: tuple[float, float, float, float, float, float] = POINT_RANGE,
        in_view: bool = True,
        augment: LidarAugment = AUGMENT,
        **options: Unpack[LidarLoading],
    ) -> None:
        super().__init__(point_range=point_range, in_view=in_view, augment=augment, **options)
        self.root = user_path(root)
        self.predict_root = None if predict_root is None else user_path(predict_root)
        self._lists = {"train": train_split, "val": val_split}
        self._problems = NotedProblems()

    @property
    def class_names(self) -> tuple[str, ...]:
        """Pedestrian, Car and Cyclist."""
        return CLASSES

    @property
    def predict_split(self) -> Split:
        """The sweeps of `predict_root`, the testing sweeps, or the validation split."""
        there = self.predict_root is not None or (self.root / "testing" / SWEEPS).is_dir()
        return "predict" if there else "val"

    def read_index(self, split: Split) -> LidarIndex:
        """Read the calibrations and labels of a split.

        Raises:
            DataError: Files are absent, broken or not in the expected layout.
        """
        files, absent = self._files(split)
        sweeps = read_sweeps(files, all_around=not self.eval_transform.in_view)
        problems = [*absent, *sweeps.problems]
        heading = f"the {split} split has {counted(len(problems), 'problems')}"
        end = f"`{command('check-dataset')} KITTILidar` lists them all."
        self._problems.note(problems, heading, end)
        if not sweeps.sweeps:
            # A check of the dataset, which has collected the same, tells each problem once.
            raise DataError(problems[0])
        return make_index(sweeps)

    def layout_problems(self) -> Iterator[str]:
        """Every absent or broken file and line, and other problems that stop `setup`."""
        yield from collected_problems(self, self._problems)

    def _files(self, split: Split) -> tuple[list[KittiSweepFiles], list[str]]:
        """The files of a split, and a message for each listed sweep that is absent."""
        part = self.root / ("testing" if split == "predict" else "training")
        folder = part / SWEEPS
        if split == "predict" and self.predict_root is not None:
            folder = self.predict_root
        beside = folder.parent
        labels = None if split == "predict" else beside / LABELS
        for needed in (folder, beside / IMAGES, beside / CALIBRATIONS, labels):
            if needed is not None:
                require_folder(needed, EXPECTED)
        known = find_sweeps(folder)
        names = self._names(split, known)
        images = {_name(path, beside / IMAGES): path for path in find_images(beside / IMAGES)}
        files = [
            KittiSweepFiles(
                sweep=known[name],
                image=images.get(name, str(beside / IMAGES / f"{name}.png")),
                calibration=beside / CALIBRATIONS / f"{name}.txt",
                label=None if labels is None else labels / f"{name}.txt",
            )
            for name in names
            if name in known
        ]
        return files, absent_files(names, known, f"{folder}/{{}}{BIN}", "sweep")

    def _names(self, split: Split, known: Mapping[str, str]) -> list[str]:
        """The names of the sweeps of a split."""
        if split == "predict":
            return [*known] if self.predict_root else testing_names(self.root, known)
        return split_names(self.root, self._lists[split], EXPECTED)


def find_sweeps(folder: Path) -> dict[str, str]:
    """The sweeps in a folder, nested or not, by their names without the suffix, in order.

    Args:
        folder: A folder with `.bin` or `.npy` files.

    Raises:
        DataError: There is no such folder, or no sweep in it.
    """
    require_folder(folder, EXPECTED)
    paths = sorted(
        entry.path
        for _, files in walk_folders(folder)
        for entry in files
        if os.path.splitext(entry.name)[1].lower() in SUFFIXES
    )
    if not paths:
        raise DataError(
            f"there are no sweeps in '{folder.resolve()}': expected files that end in "
            f"{' or '.join(SUFFIXES)}. {EXPECTED}"
        )
    return {_name(path, folder): path for path in paths}


def _name(path: str, folder: Path) -> str:
    return os.path.splitext(os.path.relpath(path, folder))[0]


def make_index(sweeps: KittiSweeps) -> LidarIndex:
    """The index of sweeps that were read."""
    labels = [CLASSES.index(name) if name in CLASSES else OTHER for name in NAMES]
    return LidarIndex(
        images=PathList(sweeps.sweeps),
        cameras=sweeps.cameras,
        lidar_to_camera=sweeps.lidar_to_camera,
        sizes=sweeps.sizes,
        object_names=NAMES,
        labels=np.array(labels, dtype=np.int64),
        objects=sweeps.objects,
    )
