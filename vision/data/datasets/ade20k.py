"""ADE20K, in the layout of the scene parsing benchmark."""

import os
from functools import cached_property

import numpy as np

from vision.contracts.segmentation import IGNORED
from vision.data.base.mask_folders import SegmentationFolders
from vision.data.base.segmentation import SegmentationOptions, Split
from vision.data.classes.ade20k import read_class_names
from vision.data.classes.label_tables import LabelTable
from vision.data.files.finding import find_images, require_folder
from vision.data.index.mask_pairs import Pairs, pair_masks
from vision.documents.class_table import class_table
from vision.keywords import Unpack

EXPECTED = (
    "Expected ADEChallengeData2016 as it unpacks: ROOT/images/{training,validation}/*.jpg and "
    "ROOT/annotations/{training,validation}/*.png of the same names (maybe ROOT/objectInfo150.txt "
    "and ROOT/release_test/testing/*.jpg)."
)
# The table of the classes, and the folders of the test images: of their archive, and of the
# original announcement.
OBJECTS = "objectInfo150.txt"
TESTING = ("release_test/testing", "images/testing")
_FOLDERS = {"train": "training", "val": "validation"}


class ADE20K(SegmentationFolders):
    """The scene parsing benchmark of ADE20K: 150 classes, 20,210 and 2,000 images.

    "Scene Parsing through ADE20K Dataset", Zhou et al., 2017; the release
    `ADEChallengeData2016`. The value 0 in its masks is "other objects": such pixels are ignored; 1
    to 150 are the classes 0 to 149. If there is an `objectInfo150.txt`, its rows are the classes,
    which may be another number.

    The test masks were never published: the validation set is tested. The test images are predicted
    if they exist.

    Args:
        root: The folder of `images` and `annotations`.
        label_ids: Whether predictions are written with the values of the annotations, 1 to 150, as
            the benchmark's server expects; if not, with the class index.
        **options: Other keywords of `SegmentationData`.

    Raises:
        ConfigError: An option is out of its range.
    """

    expected = EXPECTED

    def __init__(
        self,
        *,
        root: str | os.PathLike[str],
        label_ids: bool = True,
        predict_root: str | os.PathLike[str] | None = None,
        **options: Unpack[SegmentationOptions],
    ) -> None:
        super().__init__(root=root, predict_root=predict_root, **options)
        self.label_ids = label_ids

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """The names in `objectInfo150.txt`, the first for each class; without it, the 150.

        Raises:
            DataError: That table is malformed.
        """
        path = self.root / OBJECTS
        return read_class_names(path) if path.is_file() else class_table("ade20k").classes

    @cached_property
    def label_table(self) -> LabelTable:
        """0 is ignored, 1 to K are the classes; any other value is an error."""
        return LabelTable(
            {0: IGNORED, **{label + 1: label for label in range(self.num_classes)}},
            remedy="Take the masks of ADEChallengeData2016, whose values are the rows of "
            f"{OBJECTS}; the full ADE20K codes its masks differently.",
        )

    @property
    def palette(self) -> np.ndarray | None:
        """The benchmark's colours; None for another number of classes.

        The first of its colours are hard to tell apart, and some are grey as ignored pixels are.
        """
        colors = class_table("ade20k").colors
        return colors.copy() if self.num_classes == len(colors) else None

    @property
    def prediction_values(self) -> np.ndarray | None:
        """1 to K, or None without `label_ids`."""
        return np.arange(1, self.num_classes + 1, dtype=np.uint8) if self.label_ids else None

    def find_pairs(self, split: Split) -> Pairs:
        """Pair `images` with `annotations` of the same name.

        Args:
            split: `"train"` or `"val"`.

        Raises:
            DataError: A folder is absent, or there are no images.
        """
        require_folder(self.root, EXPECTED)
        images, masks = (self.root / kind / _FOLDERS[split] for kind in ("images", "annotations"))
        return pair_masks(images, masks, EXPECTED)

    def find_test_images(self) -> list[str]:
        """The images of `release_test/testing`, or of `images/testing`; empty without both."""
        folders = [self.root / folder for folder in TESTING]
        return next((find_images(folder) for folder in folders if folder.is_dir()), [])
