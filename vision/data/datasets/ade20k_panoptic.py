"""ADE20K's panoptic annotations, in the layout of detectron2's conversion."""

import os
from functools import cached_property
from pathlib import Path

import numpy as np

from vision.data.base.panoptic import Split
from vision.data.base.panoptic_files import PanopticFileLoading, PanopticFiles, PanopticPaths
from vision.data.datasets.ade20k import TESTING
from vision.data.transforms.panoptic_options import PanopticAugment
from vision.documents.class_table import class_table
from vision.keywords import Unpack
from vision.reading import user_path

EXPECTED = (
    "Expected ADEChallengeData2016 with the files of Mask2Former's prepare_ade20k_pan_seg.py: "
    "ROOT/images/{training,validation}/*.jpg, ROOT/ade20k_panoptic_{train,val}.json and "
    "ROOT/ade20k_panoptic_{train,val}/*.png."
)
# The augmentation of kMaX-DeepLab's recipe.
ADE20K_AUGMENT = PanopticAugment(crop=(1281, 1281), scale=(0.5, 2.0))
_FOLDERS = {"train": "training", "val": "validation"}


class ADE20KPanoptic(PanopticFiles):
    """ADE20K with a segment for each pixel: 100 things and 50 sorts of stuff.

    "Scene Parsing through ADE20K Dataset", Zhou et al., 2017; 20,210 and 2,000 images. The classes
    are those of the scene parsing benchmark in its order: the conversion takes the values of its
    masks, less 1, for category ids. Which of them are things is read from the file. Names are the
    benchmark's if the categories are 0 to 149, else the file's.

    The conversion draws objects over stuff: a listed segment of stuff may be covered and have no
    pixel. It is left out.

    The test labels were never published: the validation set is tested. The test images are
    predicted if they exist.

    Args:
        root: The folder of `images` and of the annotations.
        **options: Other keywords of `PanopticFiles`.

    Raises:
        ConfigError: An option is out of its range.
    """

    expected = EXPECTED
    hidden = True

    def __init__(
        self,
        *,
        root: str | os.PathLike[str],
        augment: PanopticAugment = ADE20K_AUGMENT,
        long_side: int | None = 1281,
        canvas: tuple[int, int] | None = (1281, 1281),
        **options: Unpack[PanopticFileLoading],
    ) -> None:
        super().__init__(augment=augment, long_side=long_side, canvas=canvas, **options)
        self.root = user_path(root)

    @property
    def check_options(self) -> str:
        """Name and options of this dataset on the command line, for messages."""
        return f"ADE20KPanoptic --root {self.root}"

    @property
    def test_images(self) -> Path | None:
        """`release_test/testing`, or `images/testing`; None without both."""
        folders = [self.root / folder for folder in TESTING]
        return next((folder for folder in folders if folder.is_dir()), None)

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """The benchmark's names if the categories are 0 to 149, else those of the file."""
        names = class_table("ade20k").classes
        is_benchmark = np.array_equal(self.category_ids, np.arange(len(names)))
        return names if is_benchmark else super().class_names

    @property
    def palette(self) -> np.ndarray | None:
        """The benchmark's colours if the categories are 0 to 149, else those of the file."""
        colors = class_table("ade20k").colors
        is_benchmark = np.array_equal(self.category_ids, np.arange(len(colors)))
        return colors.copy() if is_benchmark else super().palette

    def paths(self, split: Split) -> PanopticPaths:
        """The files of the conversion."""
        name = f"ade20k_panoptic_{split}"
        return PanopticPaths(
            self.root / f"{name}.json", self.root / "images" / _FOLDERS[split], self.root / name
        )
