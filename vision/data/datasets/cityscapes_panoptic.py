"""Cityscapes' panoptic annotations, in the layout of its archives and scripts."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vision.data.base.panoptic import Split
from vision.data.base.panoptic_files import (
    PanopticFileLoading,
    PanopticFiles,
    PanopticPaths,
    described_classes,
)
from vision.data.check.classes import require_same_classes
from vision.data.classes.cityscapes_instances import THINGS, find_segments, read_instance_ids
from vision.data.datasets.cityscapes import IMAGE, files_of_cities
from vision.data.files.finding import PathList, require_folder
from vision.data.files.noted_problems import NotedProblems
from vision.data.formats.panoptic import PanopticAnnotations
from vision.data.index.mask_pairs import Pairs, find_some_images, pair_files
from vision.data.index.panoptic import PanopticIndex
from vision.data.transforms.panoptic_options import PanopticAugment
from vision.documents.class_table import class_table
from vision.keywords import Unpack
from vision.reading import user_path

EXPECTED = (
    "Expected leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip unpacked in ROOT: "
    "ROOT/leftImg8bit/{train,val,test}/CITY/*_leftImg8bit.png and "
    "ROOT/gtFine/{train,val}/CITY/*_gtFine_instanceIds.png (maybe also, as Cityscapes' scripts "
    "write them, ROOT/gtFine/cityscapes_panoptic_{train,val}.json with folders of PNG files)."
)
INSTANCES = "_gtFine_instanceIds.png"
# What Cityscapes' script adds to its names with train ids in place of label ids.
SUFFIXES = ("", "_trainId")
# The augmentation of kMaX-DeepLab's recipe: scale 1 is the files' size.
CITYSCAPES_AUGMENT = PanopticAugment(crop=(1025, 2049), scale=(0.5, 2.0))


class CityscapesPanoptic(PanopticFiles):
    """Cityscapes with a segment for each pixel: 8 things and 11 sorts of stuff.

    "The Cityscapes Dataset for Semantic Urban Scene Understanding", Cordts et al., 2016, arXiv
    1604.01685; 2,975 training and 500 validation images. Segments are read from the files that
    Cityscapes' scripts write (`createPanopticImgs.py`, with label ids or train ids), and where a
    split has none, from its instance ids. Both have the same segments: the 19 train ids, the last
    eight of which are things; groups of things that were not told apart are crowds.

    The published annotations of the test images are empty: the validation set is tested. The test
    images are predicted if they exist.

    Args:
        root: The folder of `leftImg8bit` and `gtFine`.
        **options: Other keywords of `PanopticFiles`.

    Raises:
        ConfigError: An option is out of its range.
    """

    expected = EXPECTED

    def __init__(
        self,
        *,
        root: str | os.PathLike[str],
        augment: PanopticAugment = CITYSCAPES_AUGMENT,
        long_side: int | None = 2049,
        canvas: tuple[int, int] | None = (1025, 2049),
        **options: Unpack[PanopticFileLoading],
    ) -> None:
        super().__init__(augment=augment, long_side=long_side, canvas=canvas, **options)
        self.root = user_path(root)
        self._unpaired = NotedProblems()

    @property
    def check_options(self) -> str:
        """Name and options of this dataset on the command line, for messages."""
        return f"CityscapesPanoptic --root {self.root}"

    @property
    def test_images(self) -> Path:
        """`leftImg8bit/test`."""
        return self.root / "leftImg8bit" / "test"

    @property
    def class_names(self) -> tuple[str, ...]:
        """The 19 classes, by train id."""
        return class_table("cityscapes").classes

    @property
    def category_ids(self) -> np.ndarray:
        """The label id of each class."""
        return np.array(class_table("cityscapes").values, dtype=np.int64)

    @property
    def things(self) -> list[int]:
        """The train ids 11 to 18."""
        return [*THINGS]

    @property
    def palette(self) -> np.ndarray:
        """The official colours of the train ids."""
        return class_table("cityscapes").colors.copy()

    def paths(self, split: Split) -> PanopticPaths:
        """The files of Cityscapes' scripts, with label ids, or else with train ids."""
        names = [f"cityscapes_panoptic_{split}{suffix}" for suffix in SUFFIXES]
        folder = self.root / "gtFine"
        name = next((name for name in names if (folder / f"{name}.json").is_file()), names[0])
        return PanopticPaths(
            folder / f"{name}.json", self.root / "leftImg8bit" / split, folder / name
        )

    def image_name(self, number: str, file_name: str) -> str:
        """The image in the folder of its city; the scripts state another file."""
        return f"{number.partition('_')[0]}/{number}{IMAGE}"

    def read_index(self, split: Split) -> PanopticIndex:
        """Read the file of Cityscapes' scripts, or else pair images with their instance ids.

        Raises:
            DataError: Files are absent or not in the expected layout.
        """
        require_folder(self.root, EXPECTED)
        if split == "predict" or self.paths(split).annotations.is_file():
            return super().read_index(split)
        pairs = self._find_pairs(split)
        where = f"the {split} set in '{self.root.resolve()}'"
        self._unpaired.note(pairs.problems, pairs.heading(where), EXPECTED)
        images, masks = pairs.index.images, pairs.index.masks
        assert masks is not None, "pairs have both"
        stems = PathList(os.path.basename(path).removesuffix(IMAGE) for path in images)
        return PanopticIndex(
            images=images,
            masks=masks,
            names=stems,
            read_ids=read_instance_ids,
            find_segments=find_segments,
        )

    def check_classes(self, annotations: PanopticAnnotations, split: Split) -> None:
        """Raise an error unless a file of Cityscapes' scripts has the 19 classes.

        Raises:
            DataError: It has others.
        """
        is_thing = np.isin(np.arange(self.num_classes), THINGS)
        require_same_classes(
            described_classes(annotations.class_names, annotations.things),
            described_classes(self.class_names, is_thing),
            names=(split, "Cityscapes"),
        )

    def layout_problems(self) -> Iterator[str]:
        """Every unpaired file, and other problems that stop `setup`."""
        with self._unpaired.collected() as unpaired:
            problems = [*super().layout_problems()]
        yield from unpaired
        yield from problems

    def _find_pairs(self, split: Split) -> Pairs:
        images, masks = self.root / "leftImg8bit" / split, self.root / "gtFine" / split
        found = find_some_images(images, EXPECTED)
        require_folder(masks, EXPECTED)
        return pair_files(
            found,
            files_of_cities(masks, INSTANCES),
            key_of=lambda path: os.path.relpath(path, images).removesuffix(IMAGE),
            mask_of=lambda key: f"{masks / key}{INSTANCES}",
        )
