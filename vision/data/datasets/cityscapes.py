"""Cityscapes, in the layout of its archives."""

import logging
import os
from functools import cached_property
from pathlib import Path

import numpy as np

from vision.data.base.mask_folders import SegmentationFolders
from vision.data.base.segmentation import SegmentationLoading, Split
from vision.data.classes.cityscapes import train_ids
from vision.data.classes.label_tables import LabelTable
from vision.data.files.finding import find_images, list_folders, require_folder
from vision.data.formats.cityscapes_polygons import draw_label_ids
from vision.data.index.mask_pairs import Pairs, find_some_images, join_pairs, pair_files
from vision.data.transforms.segmentation_options import SegmentationAugment
from vision.documents.class_table import class_table
from vision.keywords import Unpack
from vision.ops.label_images import read_labels

logger = logging.getLogger(__name__)

EXPECTED = (
    "Expected leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip unpacked in ROOT: "
    "ROOT/leftImg8bit/{train,val,test}/CITY/*_leftImg8bit.png and "
    "ROOT/gtFine/{train,val}/CITY/*_gtFine_labelIds.png (or *_gtFine_polygons.json)."
)
IMAGE = "_leftImg8bit.png"
MASK, POLYGONS = "_labelIds.png", "_polygons.json"
# The augmentation of the published recipes: scale 1 is the files' size.
CITYSCAPES_AUGMENT = SegmentationAugment(short_side=1024, long_side=2048, crop=(512, 1024))


class Cityscapes(SegmentationFolders):
    """Cityscapes with fine annotations: 19 classes, 2,975 training and 500 validation images.

    "The Cityscapes Dataset for Semantic Urban Scene Understanding", Cordts et al., 2016, arXiv
    1604.01685. Masks hold label ids (`*_gtFine_labelIds.png`); the 19 classes become the train ids
    0 to 18, all others are ignored, as in the benchmark. If an image has polygons
    (`*_gtFine_polygons.json`) but no mask, the mask is drawn from them as in Cityscapes' own
    scripts.

    The published masks of the test images are empty: the validation set is tested. The test images
    are predicted if they exist.

    Args:
        root: The folder of `leftImg8bit` and `gtFine`.
        extra: Whether the 19,998 images of `train_extra`, whose annotations are coarse
            (`gtCoarse`), are trained on as well.
        label_ids: Whether predictions are written with label ids, as the test server expects; if
            not, with train ids, which are the class index.
        **options: Other keywords of `SegmentationData`.

    Raises:
        ConfigError: An option is out of its range.
    """

    expected = EXPECTED

    def __init__(
        self,
        *,
        root: str | os.PathLike[str],
        extra: bool = False,
        label_ids: bool = True,
        predict_root: str | os.PathLike[str] | None = None,
        augment: SegmentationAugment = CITYSCAPES_AUGMENT,
        short_side: int | None = None,
        long_side: int | None = None,
        **options: Unpack[SegmentationLoading],
    ) -> None:
        super().__init__(
            root=root,
            predict_root=predict_root,
            augment=augment,
            short_side=short_side,
            long_side=long_side,
            **options,
        )
        self.extra = extra
        self.label_ids = label_ids

    @property
    def class_names(self) -> tuple[str, ...]:
        """The 19 classes, by train id."""
        return class_table("cityscapes").classes

    @cached_property
    def label_table(self) -> LabelTable:
        """From label ids to train ids; a value that is not a label id is an error."""
        return LabelTable(
            train_ids(),
            remedy="Take the official files *_labelIds.png, or leave them out beside "
            "*_polygons.json: they are then drawn.",
        )

    @property
    def palette(self) -> np.ndarray:
        """The official colours of the train ids."""
        return class_table("cityscapes").colors.copy()

    @property
    def prediction_values(self) -> np.ndarray | None:
        """The label id of each class, or None without `label_ids`."""
        return (
            np.array(class_table("cityscapes").values, dtype=np.uint8) if self.label_ids else None
        )

    @staticmethod
    def read_mask(path: str) -> np.ndarray:
        """Read label ids from a PNG, or draw them from a file of polygons: uint8 `(H, W)`.

        Raises:
            DataError: The file cannot be read.
        """
        return draw_label_ids(path) if path.endswith(POLYGONS) else read_labels(path)

    def find_pairs(self, split: Split) -> Pairs:
        """Pair images with the masks of the same city, sequence and frame.

        Args:
            split: `"train"` or `"val"`.

        Raises:
            DataError: A folder is absent, or there are no images.
        """
        require_folder(self.root, EXPECTED)
        pairs = self._pairs_of(split, "gtFine")
        if split != "train" or not self.extra:
            return pairs
        extra = self._pairs_of("train_extra", "gtCoarse")
        return join_pairs(pairs, extra)

    def find_test_images(self) -> list[str]:
        """The images of `leftImg8bit/test`; empty without it."""
        folder = self.root / "leftImg8bit" / "test"
        return find_images(folder) if folder.is_dir() else []

    def _pairs_of(self, split: str, kind: str) -> Pairs:
        images, masks = self.root / "leftImg8bit" / split, self.root / kind / split
        found = find_some_images(images, EXPECTED)
        require_folder(masks, EXPECTED)
        drawn, pixels = (files_of_cities(masks, f"_{kind}{suffix}") for suffix in (POLYGONS, MASK))
        pairs = pair_files(
            found,
            drawn | pixels,
            key_of=lambda path: os.path.relpath(path, images).removesuffix(IMAGE),
            mask_of=lambda key: f"{masks / key}_{kind}{MASK}' and no '{key}_{kind}{POLYGONS}",
        )
        used = pairs.index.masks or ()
        if count := sum(path.endswith(POLYGONS) for path in used):
            logger.info(
                "%s: %s masks are drawn from polygons, as there are no files *_%s%s of them",
                split,
                f"{count:,}",
                kind,
                MASK,
            )
        return pairs


def files_of_cities(folder: Path, suffix: str) -> dict[str, str]:
    """The files with a suffix in the folders of cities, by their names without it, in order."""
    found = {}
    for city in list_folders(folder):
        for name in sorted(os.listdir(folder / city)):
            if name.endswith(suffix) and not name.startswith("."):
                found[f"{city}/{name.removesuffix(suffix)}"] = f"{folder}/{city}/{name}"
    return found
