"""What the datasets of NYU Depth V2 share: where its images, depths and normals lie."""

import os
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np

from vision.data.base.dense import DenseData
from vision.data.base.splits import Split
from vision.data.check.problems import collected_problems
from vision.data.files.finding import PathList, require_folder
from vision.data.files.noted_problems import NotedProblems
from vision.data.formats.cameras import Camera, KnownCameras, find_camera
from vision.data.formats.dense_files import DenseFiles, DenseIndex
from vision.data.formats.depth_reader import DepthReader
from vision.data.formats.nyuv2 import DEPTHS, LABELED, count_images, read_split
from vision.data.index.mask_pairs import find_some_images, pair_files, pair_folders
from vision.errors import DataError
from vision.ops.depth_maps import EXTENSIONS, PNG
from vision.options import check_ranges
from vision.reading import user_path

EXPECTED = (
    f"Expected ROOT/{LABELED} and ROOT/splits.mat; or a file for each image, ROOT/images/"
    "{train,test}/* and ROOT/depth/{train,test}/* (raw_depth, normals), or "
    "ROOT/official_splits/{train,test}/SCENE/{rgb_*.jpg,sync_depth_*.png}."
)
Depth = Literal["filled", "raw"]
Layout = Literal["auto", "labeled", "folders"]
FOLDERS = {"filled": "depth", "raw": "raw_depth"}
SPLIT_FOLDERS: Mapping[str, str] = {"train": "train", "val": "test"}
OFFICIAL, RGB, SYNC = "official_splits", "rgb_", "sync_depth_"
MILLIMETRES = 1000.0
# The colour camera of the dataset's toolbox (camera_params.m), which the depth of the labelled set
# is seen from. Its pixels are counted from 1.
CAMERAS = {(480, 640): (518.857901, 519.469611, 325.582449 - 1, 253.736166 - 1)}


class NYUv2Data(DenseData):
    """The labelled images of NYU Depth V2 with what is known of their pixels.

    Args:
        root: The dataset's folder.
        depth: `"filled"` has a depth for each pixel, `"raw"` only what was measured.
        layout: `"labeled"` is the file of all images, `"folders"` a file for each; `"auto"` takes
            the first that is there (the file of all only with h5py).
        camera: As for `DepthFolder`; None takes `root/camera.txt`, or for images of 480 x 640 the
            camera of the dataset's toolbox.
        predict_root: A folder of images to predict, nested or not; None predicts the test images.
        **options: Other keywords of `DenseData`.

    Raises:
        ConfigError: An option is out of its range.
    """

    expected = EXPECTED

    def __init__(
        self,
        *,
        root: str | os.PathLike[str],
        depth: Depth = "filled",
        layout: Layout = "auto",
        camera: Sequence[float] | str | os.PathLike[str] | None = None,
        predict_root: str | os.PathLike[str] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        choices = {"depth": ("filled", "raw"), "layout": ("auto", "labeled", "folders")}
        check_ranges({"depth": depth, "layout": layout}, choices)
        self.root = user_path(root)
        self.depth = depth
        self.layout = layout
        self.predict_root = None if predict_root is None else user_path(predict_root)
        self._camera = camera
        self._unpaired = NotedProblems()

    @abstractmethod
    def read_labeled(self, path: Path, numbers: np.ndarray) -> DenseIndex:
        """The images of some numbers of the file of all."""

    @abstractmethod
    def read_folders(self, split: Split) -> DenseIndex:
        """The images of a split in files of their own."""

    @cached_property
    def camera(self) -> Camera | None:
        """The camera of all images; None for that of the toolbox, if their size is the dataset's.

        Raises:
            ConfigError: The numbers are wrong.
            DataError: Its file is absent or wrong.
        """
        beside = LABELED if self.is_labeled else FOLDERS[self.depth]
        return find_camera(self._camera, self.root, self.root / beside)

    @property
    def cameras(self) -> KnownCameras:
        """What is known of the cameras."""
        return KnownCameras(given=self.camera, of_sizes=CAMERAS)

    def depth_reader(self, paths: Sequence[str]) -> DepthReader:
        """What reads depth maps: PNG files in millimetres, all others in metres."""
        is_png = len(paths) > 0 and paths[0].endswith(PNG)
        return DepthReader(scale=MILLIMETRES if is_png else None, cameras=self.cameras)

    @cached_property
    def is_labeled(self) -> bool:
        """Whether the file of all images is read.

        Raises:
            DataError: There is neither this file nor folders.
        """
        if self.layout != "auto":
            return self.layout == "labeled"
        require_folder(self.root, EXPECTED)
        has_file, has_folders = (self.root / LABELED).exists(), self._official or self._has_images
        if not has_file and not has_folders:
            raise DataError(f"'{self.root.resolve()}' has no images of NYUv2. {EXPECTED}")
        return has_file and (find_spec("h5py") is not None or not has_folders)

    @property
    def predict_split(self) -> Split:
        """The images of `predict_root`, or the test set."""
        return "val" if self.predict_root is None else "predict"

    def read_index(self, split: Split) -> DenseIndex:
        """Find the images of a split.

        Raises:
            DataError: Files are absent or not in the expected layout.
            MissingPackageError: h5py is needed.
        """
        if split == "predict":
            assert self.predict_root is not None
            expected = "Expected a folder of images, nested or not."
            return DenseFiles(images=PathList(find_some_images(self.predict_root, expected)))
        if not self.is_labeled:
            return self.read_folders(split)
        path = self.root / LABELED
        count = count_images(path, DEPTHS[self.depth])
        return self.read_labeled(path, read_split(self.root, split, count))

    def layout_problems(self) -> Iterator[str]:
        """Every unpaired file, and other problems that stop `setup`."""
        yield from collected_problems(self, self._unpaired)

    def pair(
        self, split: Split, folder: str, suffixes: Sequence[str] = EXTENSIONS
    ) -> tuple[PathList, PathList]:
        """The images of a split in files of their own, and the files that go with them.

        Args:
            split: The split.
            folder: Folder of these files.
            suffixes: Their suffixes.

        Raises:
            DataError: A folder is absent, or files are not paired.
        """
        part = SPLIT_FOLDERS[split]
        if self._official and folder == FOLDERS["filled"]:
            images, others, problems = self._pair_official(self._official / part)
        else:
            images, others, problems = pair_folders(
                self.root / "images" / part,
                self.root / folder / part,
                suffixes=suffixes,
                what="file of normals" if folder == "normals" else "depth map",
                kind=f"one of {', '.join(suffixes)}",
                expected=EXPECTED,
            )
        where = f"the {part} set in '{self.root.resolve()}'"
        heading = f"{len(problems):,} files of {where} are not paired"
        self._unpaired.note(problems, heading, EXPECTED)
        return PathList(images), PathList(others)

    @property
    def _has_images(self) -> bool:
        return (self.root / "images").is_dir()

    @cached_property
    def _official(self) -> Path | None:
        """The folder of `train` and `test` with a folder for each scene; None without it."""
        folder = self.root / OFFICIAL
        return folder if folder.is_dir() else None

    def _pair_official(self, folder: Path) -> tuple[list[str], list[str], list[str]]:
        found = find_some_images(folder, EXPECTED)
        depths = {
            path.replace(f"/{SYNC}", f"/{RGB}").rpartition(".")[0]: path
            for path in found
            if f"/{SYNC}" in path
        }
        pairs = pair_files(
            [path for path in found if f"/{RGB}" in path],
            depths,
            key_of=lambda path: path.rpartition(".")[0],
            mask_of=lambda key: key.replace(f"/{RGB}", f"/{SYNC}") + ".png",
            what="depth map",
        )
        return [*pairs.index.images], [*(pairs.index.masks or ())], pairs.problems
