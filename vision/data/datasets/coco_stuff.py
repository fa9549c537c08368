"""COCO-Stuff: COCO 2017 with a class for each pixel, from the published pixel maps."""

import os
from functools import cached_property
from pathlib import Path

import numpy as np

from vision.contracts.segmentation import IGNORED
from vision.data.base.mask_folders import SegmentationFolders
from vision.data.base.segmentation import SegmentationOptions, Split
from vision.data.classes.label_tables import LabelTable
from vision.data.files.finding import find_images, require_folder
from vision.data.index.mask_pairs import Pairs, find_some_images, pair_files
from vision.documents.class_table import class_table
from vision.keywords import Unpack

# The value of "unlabeled", no class: its label id is 0, and the maps hold the id - 1 as a byte.
UNLABELLED = 255
EXPECTED = (
    "Expected COCO's images and stuffthingmaps_trainval2017.zip unpacked: "
    "ROOT/{train2017,val2017}/*.jpg (or in ROOT/images) and "
    "ROOT/stuffthingmaps/{train2017,val2017}/*.png (or in ROOT/annotations)."
)
IMAGES, MAPS = ("", "images"), ("stuffthingmaps", "annotations")
# Files that mmsegmentation's conversion writes beside the original maps.
CONVERTED = "_labelTrainIds"


class COCOStuff(SegmentationFolders):
    """COCO-Stuff 164k: 80 things and 91 sorts of stuff, 118,287 and 5,000 images.

    "COCO-Stuff: Thing and Stuff Classes in Context", Caesar et al., 2018, arXiv 1612.03716. The
    pixel maps hold the label id - 1, 0 to 181, and 255 where there is no label, which is ignored.
    11 of these things were never annotated: their values are errors, and the classes 0 to 170
    number the others in order.

    The test images have no published maps: the validation set is tested and predicted.

    Args:
        root: The folder of the images and maps.
        label_ids: Whether predictions are written with the values of the pixel maps; if not, with
            the class index.
        predict_root: A folder of images to predict, nested or not; None predicts the validation
            set.
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

    @property
    def class_names(self) -> tuple[str, ...]:
        """The 171 classes, things first."""
        return class_table("coco_stuff").classes

    @cached_property
    def label_table(self) -> LabelTable:
        """The values of the 171 classes, and 255, which is ignored; any other value is an error."""
        table = class_table("coco_stuff")
        absent = ", ".join(
            f"{value} ({name})"
            for value, name in enumerate(table.labels)
            if value not in table.values
        )
        return LabelTable(
            {**{value: label for label, value in enumerate(table.values)}, UNLABELLED: IGNORED},
            remedy="Take the maps of stuffthingmaps_trainval2017.zip as they are; they do not have "
            f"{absent}.",
        )

    @property
    def palette(self) -> np.ndarray:
        """Colours of the classes; some share one."""
        return class_table("coco_stuff").colors.copy()

    @property
    def prediction_values(self) -> np.ndarray | None:
        """The value of each class in the maps, or None without `label_ids`."""
        return (
            np.array(class_table("coco_stuff").values, dtype=np.uint8) if self.label_ids else None
        )

    def find_pairs(self, split: Split) -> Pairs:
        """Pair images with the pixel maps of the same name.

        Args:
            split: `"train"` or `"val"`.

        Raises:
            DataError: A folder is absent, or there are no images.
        """
        require_folder(self.root, EXPECTED)
        images, maps = (self._folder(places, split) for places in (IMAGES, MAPS))
        found = find_some_images(images, EXPECTED)
        require_folder(maps, EXPECTED)
        masks = {
            stem_of(path): path
            for path in find_images(maps)
            if path.lower().endswith(".png") and not stem_of(path).endswith(CONVERTED)
        }
        return pair_files(found, masks, key_of=stem_of, mask_of=lambda stem: f"{maps / stem}.png")

    def _folder(self, places: tuple[str, ...], split: Split) -> Path:
        """The folder of a split in the first place that has it, or else in the first place."""
        folders = [self.root / place / f"{split}2017" for place in places]
        return next((folder for folder in folders if folder.is_dir()), folders[0])


def stem_of(path: str) -> str:
    """The name of a file without suffix."""
    return os.path.splitext(os.path.basename(path))[0]
