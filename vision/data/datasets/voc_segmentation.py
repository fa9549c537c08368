"""Pascal VOC 2012 with a class for each pixel, and the masks that SBD adds to it."""

import logging
import os
from functools import cached_property
from pathlib import Path

import numpy as np

from vision.contracts.segmentation import IGNORED
from vision.data.base.mask_folders import SegmentationFolders
from vision.data.base.segmentation import (
    SegmentationIndex,
    SegmentationOptions,
    Split,
)
from vision.data.classes.label_tables import LabelTable
from vision.data.files.finding import PathList, require_folder
from vision.data.formats.sbd import read_sbd_mask, read_sbd_names, sbd_folder
from vision.data.formats.voc import devkit_folder, read_names
from vision.data.index.mask_pairs import Pairs, join_pairs
from vision.documents.class_table import class_table
from vision.errors import ConfigError, DataError
from vision.keywords import Unpack
from vision.ops.label_images import read_labels
from vision.reading import user_path

logger = logging.getLogger(__name__)

EXPECTED = (
    "Expected VOCtrainval_11-May-2012.tar as it unpacks (ROOT may be VOCdevkit itself): "
    "ROOT/VOCdevkit/VOC2012/{JPEGImages/*.jpg,SegmentationClass/*.png} and "
    "ImageSets/Segmentation/{train,val,trainval}.txt; for trainaug SBD in sbd_root "
    "(benchmark_RELEASE/dataset/{img,cls,train.txt,val.txt}), or its masks as "
    "VOC2012/SegmentationClassAug/*.png."
)
TRAINAUG = "trainaug"
AUGMENTED = "SegmentationClassAug"
# Images of "trainaug" in the official sets: 1,464 of VOC and 9,118 of SBD.
OFFICIAL_TRAINAUG = 10_582


class VOCSegmentation(SegmentationFolders):
    """Pascal VOC 2012: 20 classes and the background.

    "The PASCAL Visual Object Classes (VOC) Challenge", Everingham et al., 2010. Masks hold the
    class, and 255 along outlines and in difficult regions: those pixels are ignored. VOC itself
    has 1,464 training images. SBD ("Semantic Contours from Inverse Detectors", Hariharan et al.,
    2011) has masks of many more images of VOC: the usual training set, "trainaug", is VOC's with
    its own masks, and the images of SBD outside of VOC's training and validation sets, 10,582 in
    all.

    Masks of SBD are read from its MATLAB files, or from PNG files in `SegmentationClassAug` if
    there are any.

    The test masks were never published: the validation set is tested. The images of
    `ImageSets/Segmentation/test.txt` are predicted if that list exists.

    Args:
        root: The folder `VOCdevkit`, or the folder above it.
        sbd_root: The folder of SBD: the one that holds `cls`, or one or two levels above it.
        train_set: Training set, `"trainaug"` or a list of `ImageSets/Segmentation` such as
            `"train"`. None is `"trainaug"` if `sbd_root` is given, else `"train"`.
        val_set: List of the images for validation and testing.
        **options: Other keywords of `SegmentationData`.

    Raises:
        ConfigError: An option is out of its range, or `sbd_root` is given for another set.
    """

    expected = EXPECTED

    def __init__(
        self,
        *,
        root: str | os.PathLike[str],
        sbd_root: str | os.PathLike[str] | None = None,
        train_set: str | None = None,
        val_set: str = "val",
        predict_root: str | os.PathLike[str] | None = None,
        **options: Unpack[SegmentationOptions],
    ) -> None:
        super().__init__(root=root, predict_root=predict_root, **options)
        self.sbd_root = None if sbd_root is None else user_path(sbd_root)
        self.train_set = train_set or ("train" if sbd_root is None else TRAINAUG)
        self.val_set = val_set
        if sbd_root is not None and self.train_set != TRAINAUG:
            raise ConfigError(
                f"train_set={train_set!r} does not use sbd_root={os.fspath(sbd_root)!r}: set "
                f"train_set to {TRAINAUG}, or leave sbd_root out."
            )

    @property
    def class_names(self) -> tuple[str, ...]:
        """The background and the 20 classes."""
        return class_table("voc").classes

    @cached_property
    def label_table(self) -> LabelTable:
        """0 to 20 are the classes, 255 is ignored; any other value is an error."""
        return LabelTable.classes(
            self.num_classes,
            ignored=(IGNORED,),
            remedy="Take the masks of SegmentationClass as they are published.",
        )

    @property
    def palette(self) -> np.ndarray:
        """The colours of VOC's own masks."""
        return class_table("voc").colors.copy()

    @cached_property
    def folder(self) -> Path:
        """The folder `VOC2012`.

        Raises:
            DataError: There is no such folder.
        """
        folder = devkit_folder(self.root, expected=EXPECTED) / "VOC2012"
        require_folder(folder, EXPECTED)
        return folder

    @staticmethod
    def read_mask(path: str) -> np.ndarray:
        """Read the values of a PNG, or of a MATLAB file of SBD: uint8 `(H, W)`.

        Raises:
            ImageError: The file cannot be read.
        """
        return read_sbd_mask(path) if path.endswith(".mat") else read_labels(path)

    def find_pairs(self, split: Split) -> Pairs:
        """The images of a list, with their masks.

        Args:
            split: `"train"` or `"val"`.

        Raises:
            DataError: A folder or a list is absent.
        """
        image_set = self.train_set if split == "train" else self.val_set
        if image_set != TRAINAUG:
            return self._own(image_set)
        own, more = self._own("train"), self._added()
        logger.info(
            "%s: %s images of VOC and %s of SBD (%s in the official sets)",
            TRAINAUG,
            f"{len(own.index):,}",
            f"{len(more.index):,}",
            f"{OFFICIAL_TRAINAUG:,}",
        )
        return join_pairs(own, more)

    def find_test_images(self) -> list[str]:
        """The images of `test.txt`; empty without that list."""
        for folder in (self.root / "VOCdevkit" / "VOC2012", self.root / "VOC2012"):
            if (folder / "ImageSets" / "Segmentation" / "test.txt").is_file():
                return [f"{folder}/JPEGImages/{name}.jpg" for name in self._names("test")]
        return []

    def _names(self, image_set: str) -> list[str]:
        return read_names(self.folder, image_set, task="Segmentation", expected=EXPECTED)

    def _own(self, image_set: str) -> Pairs:
        """The images of a list with the masks of VOC."""
        masks = self.folder / "SegmentationClass"
        require_folder(masks, EXPECTED)
        return _listed(self._names(image_set), [self.folder / "JPEGImages"], [(masks, ".png")])

    def _added(self) -> Pairs:
        """The images of SBD outside of VOC's training and validation sets."""
        pixels = self.folder / AUGMENTED
        images, masks = [self.folder / "JPEGImages"], [(pixels, ".png")]
        if self.sbd_root is not None:
            sbd = sbd_folder(self.sbd_root)
            names = read_sbd_names(sbd)
            # VOC 2012 has the images of SBD too, in the same quality.
            images.append(sbd / "img")
            masks.append((sbd / "cls", ".mat"))
        elif pixels.is_dir():
            names = sorted(_by_name([(pixels, ".png")]))
        else:
            raise DataError(
                f"train_set={TRAINAUG} needs the masks of SBD, but sbd_root is not set, and there "
                f"is no '{pixels}'. {EXPECTED}"
            )
        taken = {*self._names("train"), *self._names("val")}
        return _listed([name for name in names if name not in taken], images, masks)


def _listed(names: list[str], images: list[Path], masks: list[tuple[Path, str]]) -> Pairs:
    """The images and masks of some names, from the first folder that has them."""
    image_files = _by_name([(folder, ".jpg") for folder in images])
    mask_files = _by_name(masks)
    found: dict[str, str] = {}
    problems = []
    for name in names:
        image = image_files.get(name)
        if name in found:
            problems.append(f"'{name}' is listed twice.")
        elif image is None:
            problems.append(f"there is no image '{images[0] / name}.jpg', which is listed.")
        elif name not in mask_files:
            folder, suffix = masks[-1]
            mask = f"{folder / name}{suffix}"
            problems.append(f"image '{image}' has no mask: there is no '{mask}'.")
        else:
            found[name] = image
    index = SegmentationIndex(
        images=PathList(found.values()), masks=PathList(mask_files[name] for name in found)
    )
    return Pairs(index, problems)


def _by_name(folders: list[tuple[Path, str]]) -> dict[str, str]:
    """Path of each file with a suffix, by stem; of several folders the first has precedence."""
    found: dict[str, str] = {}
    for folder, suffix in folders:
        if folder.is_dir():
            for name in os.listdir(folder):
                stem, own = os.path.splitext(name)
                if own.lower() == suffix:
                    found.setdefault(stem, f"{folder}/{name}")
    return found
