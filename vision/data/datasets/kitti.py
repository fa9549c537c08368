"""KITTI's object benchmark: single images with calibrations and boxes in space."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from vision.annotations.kitti import CLASSES as NAMES
from vision.contracts.detection3d import OTHER
from vision.data.base.boxes3d import Boxes3DData, Boxes3DLoading
from vision.data.base.splits import Split
from vision.data.check.problems import collected_problems
from vision.data.files.finding import PathList, require_folder
from vision.data.files.noted_problems import NotedProblems
from vision.data.formats.kitti_objects import (
    KittiFiles,
    KittiScenes,
    absent_files,
    read_scenes,
    split_names,
    testing_names,
)
from vision.data.index.boxes3d import Boxes3DIndex
from vision.data.index.mask_pairs import find_some_images
from vision.data.transforms.boxes3d import IMAGE_SIZE
from vision.errors import DataError
from vision.keywords import Unpack
from vision.reading import user_path
from vision.wording import counted

# In the order of published models.
CLASSES = ("Pedestrian", "Car", "Cyclist")
IMAGES, CALIBRATIONS, LABELS = "image_2", "calib", "label_2"
EXPECTED = (
    "Expected ROOT/training/{image_2/000000.png, calib/000000.txt, label_2/000000.txt}, ... and "
    "ROOT/ImageSets/{train,val}.txt, the names of the images of each split, one per line; maybe "
    "ROOT/testing/{image_2,calib} and ROOT/ImageSets/test.txt."
)


class KITTI(Boxes3DData):
    """KITTI's 3-D objects: images of the left colour camera, calibrations and labels.

    "Are we ready for Autonomous Driving? The KITTI Vision Benchmark Suite", Geiger, Lenz and
    Urtasun, 2012. Labels of the testing images were never published: of the 7,481 training images
    papers train on 3,712 and evaluate on 3,769, which `ImageSets` lists. The camera is the line
    `P2` of an image's calibration. Boxes stand in the frame of the reference camera, which is that
    of the labels.

    The classes are Pedestrian, Car and Cyclist. Evaluation sees every line of a label, those of
    other classes and `DontCare` among them. The validation split is tested; the testing images are
    predicted if they are there.

    Args:
        root: The folder of `training`, `testing` and `ImageSets`.
        train_split: Name of a list in `ImageSets`, such as `train` or `trainval`, or the path of a
            list, which ends in `.txt`.
        val_split: Likewise, of the images to evaluate.
        predict_root: A folder of images to predict, nested or not, with a folder `calib` beside it
            that has a calibration for each; None predicts the testing images, or the validation
            split without them.
        image_size: As in `Boxes3DData`.
        trained: As in `Boxes3DData`; published models learn cars alone.
        **options: Other keywords of `Boxes3DData`.

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
        image_size: tuple[int, int] = IMAGE_SIZE,
        trained: Sequence[str] | None = ("Car",),
        **options: Unpack[Boxes3DLoading],
    ) -> None:
        super().__init__(image_size=image_size, trained=trained, **options)
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
        """The images of `predict_root`, the testing images, or the validation split."""
        there = self.predict_root is not None or (self.root / "testing" / IMAGES).is_dir()
        return "predict" if there else "val"

    def read_index(self, split: Split) -> Boxes3DIndex:
        """Read the calibrations and labels of a split.

        Raises:
            DataError: Files are absent, broken or not in the expected layout.
        """
        files, absent = self._files(split)
        scenes = read_scenes(files)
        problems = [*absent, *scenes.problems]
        heading = f"the {split} split has {counted(len(problems), 'problems')}"
        self._problems.note(problems, heading, "vision check-dataset KITTI lists them all.")
        if not scenes.images:
            # A check of the dataset, which has collected the same, tells each problem once.
            raise DataError(problems[0])
        return make_index(scenes)

    def layout_problems(self) -> Iterator[str]:
        """Every absent or broken file and line, and other problems that stop `setup`."""
        yield from collected_problems(self, self._problems)

    def _files(self, split: Split) -> tuple[list[KittiFiles], list[str]]:
        """The files of a split, and a message for each listed image that is absent."""
        if split == "predict" and self.predict_root is not None:
            return _beside(self.predict_root), []
        part = self.root / ("testing" if split == "predict" else "training")
        for folder in (IMAGES, CALIBRATIONS, *([] if split == "predict" else [LABELS])):
            require_folder(part / folder, EXPECTED)
        known = {Path(path).stem: path for path in find_some_images(part / IMAGES, EXPECTED)}
        names = self._names(split, known)
        labels = None if split == "predict" else part / LABELS
        files = [
            KittiFiles(
                known[name],
                part / CALIBRATIONS / f"{name}.txt",
                None if labels is None else labels / f"{name}.txt",
            )
            for name in names
            if name in known
        ]
        return files, absent_files(names, known, f"{part / IMAGES}/{{}}.png")

    def _names(self, split: Split, known: dict[str, str]) -> list[str]:
        """The names of the images of a split."""
        if split == "predict":
            return testing_names(self.root, known)
        return split_names(self.root, self._lists[split], EXPECTED)


def _beside(folder: Path) -> list[KittiFiles]:
    """The images of a folder, with the calibrations in the folder beside it."""
    files = []
    for path in find_some_images(folder, "Expected a folder of images."):
        name = os.path.splitext(os.path.relpath(path, folder))[0]
        files.append(KittiFiles(path, folder.parent / CALIBRATIONS / f"{name}.txt", None))
    return files


def make_index(scenes: KittiScenes) -> Boxes3DIndex:
    """The index of images that were read."""
    labels = [CLASSES.index(name) if name in CLASSES else OTHER for name in NAMES]
    return Boxes3DIndex(
        images=PathList(scenes.images),
        cameras=scenes.cameras,
        object_names=NAMES,
        labels=np.array(labels, dtype=np.int64),
        objects=scenes.objects,
    )
