"""NYU Depth V2 with surface normals, of files or computed from its depth."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from vision.data.base.dense import DenseLoading
from vision.data.base.normals import NormalsData
from vision.data.base.nyuv2 import FOLDERS, Depth, Layout, NYUv2Data
from vision.data.base.splits import Split
from vision.data.datasets.nyuv2 import NYUV2_AUGMENT
from vision.data.formats.dense_files import DenseFiles, DenseIndex
from vision.data.formats.depth_reader import NormalsFromDepth
from vision.data.formats.normals_reader import NormalsReader, NumberedFiles, NumberedNormals
from vision.data.formats.nyuv2 import DEPTHS, LabeledIndex
from vision.data.transforms.dense_options import DenseAugment
from vision.data.transforms.dense_targets import DenseTargets
from vision.keywords import Unpack
from vision.ops.depth_normals import MAX_SLANT, RANGES, WINDOW
from vision.ops.normal_maps import EXTENSIONS
from vision.options import check_ranges

Axis = Literal["x", "y", "z"]
FOLDER = "normals"


class NYUv2Normals(NYUv2Data, NormalsData):
    """Surface normals of NYU Depth V2: 795 training and 654 test images of 480 x 640 pixels.

    The images are those of `NYUv2`. The release has no normals, and published results use several
    sets of them (Ladicky et al., 2014; GeoNet, Qi et al., 2018): name yours. If there is a folder
    `normals`, they are read from it: `normals/{train,test}` beside `images`, or files that end with
    the number of the image in the file of all, such as `normals/00001.png`. Otherwise they are
    computed from the depth: see `vision.ops.depth_normals`.

    Args:
        root: The dataset's folder.
        negate: Axes that point the other way in the files of `normals`, such as `[y, z]`.
        depth: The depth that normals are computed from, as for `NYUv2`.
        window: Side in pixels of the window that a plane is fitted to.
        max_slant: Largest angle in degrees between the line of sight and the normal of a surface;
            more slanted readings within a window lie across an edge.
        layout: As for `NYUv2`.
        camera: Likewise.
        predict_root: A folder of images to predict, nested or not; None predicts the test images.
        **options: Other keywords of `NormalsData`.

    Raises:
        ConfigError: An option is out of its range.
    """

    def __init__(
        self,
        *,
        root: str | os.PathLike[str],
        negate: Sequence[Axis] = (),
        depth: Depth = "filled",
        window: int = WINDOW,
        max_slant: float = MAX_SLANT,
        layout: Layout = "auto",
        camera: Sequence[float] | str | os.PathLike[str] | None = None,
        predict_root: str | os.PathLike[str] | None = None,
        augment: DenseAugment = NYUV2_AUGMENT,
        **options: Unpack[DenseLoading],
    ) -> None:
        super().__init__(
            root=root,
            depth=depth,
            layout=layout,
            camera=camera,
            predict_root=predict_root,
            augment=augment,
            **options,
        )
        for axis in negate:
            check_ranges({"negate": axis}, {"negate": ("x", "y", "z")})
        check_ranges({"window": window, "max_slant": max_slant}, RANGES)
        self.negate = tuple(negate)
        self.window = window
        self.max_slant = max_slant

    @property
    def has_files(self) -> bool:
        """Whether normals are read from files."""
        return (self.root / FOLDER).is_dir()

    def read_labeled(self, path: Path, numbers: np.ndarray) -> DenseIndex:
        """The images of some numbers of the file of all, with their normals."""
        derive: Callable[[DenseTargets, str], DenseTargets]
        if self.has_files:
            files = NumberedFiles(self.root / FOLDER, EXTENSIONS)
            derive = NumberedNormals(files=files, read=NormalsReader(negate=self.negate))
        else:
            derive = self._from_depth(()).of
        return LabeledIndex(
            path=path,
            numbers=numbers,
            depth=DEPTHS[self.depth],
            cameras=self.cameras,
            derive=derive,
        )

    def read_folders(self, split: Split) -> DenseIndex:
        """The images of a split in files of their own, with their normals."""
        if self.has_files:
            images, others = self.pair(split, FOLDER, EXTENSIONS)
            read = NormalsReader(negate=self.negate, cameras=self.cameras)
            return DenseFiles(images=images, target_names=others, read=read, what="normal map")
        images, others = self.pair(split, FOLDERS[self.depth])
        return DenseFiles(images=images, target_names=others, read=self._from_depth(others))

    def _from_depth(self, paths: Sequence[str]) -> NormalsFromDepth:
        return NormalsFromDepth(
            depth=self.depth_reader(paths), window=self.window, max_slant=self.max_slant
        )
