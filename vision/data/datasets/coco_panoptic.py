"""COCO's panoptic annotations, and any dataset whose annotations are in their format."""

import os
from pathlib import Path

from vision.data.base.panoptic import Split
from vision.data.base.panoptic_files import PanopticFileOptions, PanopticFiles, PanopticPaths
from vision.data.files.given_paths import given_paths
from vision.errors import ConfigError
from vision.keywords import Unpack

PathLike = str | os.PathLike[str]
EXPECTED = (
    "Expected panoptic_annotations_trainval2017.zip and the images unpacked: "
    "ROOT/annotations/panoptic_{train,val}2017.json, ROOT/annotations/panoptic_{train,val}2017/"
    "*.png (or in ROOT/panoptic_{train,val}2017) and ROOT/{train,val}2017/*.jpg; or, for any files "
    "in this format, set train_annotations and train_images, and val_ likewise."
)
_SPLITS: tuple[Split, ...] = ("train", "val")


class COCOPanoptic(PanopticFiles):
    """COCO's panoptic annotations by their root, or any dataset in this format by paths.

    "Panoptic Segmentation", Kirillov et al., 2019, arXiv 1801.00868: 80 things and 53 sorts of
    stuff, 118,287 and 5,000 images. Labels number the categories by ascending id.

    The test labels were never published: the validation set is tested. The test images are
    predicted if they exist.

    Args:
        root: Folder of the official layout; None if all paths are given. Other given paths replace
            the ones in it.
        train_annotations: JSON file of the training set.
        train_images: Folder of the images of the training set.
        train_masks: Folder of the PNG files of the training set; None is the path of
            `train_annotations` without `.json`.
        val_annotations: JSON file of the validation set.
        val_images: Folder of the images of the validation set.
        val_masks: Folder of the PNG files of the validation set, likewise.
        **options: Other keywords of `PanopticFiles`.

    Raises:
        ConfigError: Neither `root` nor the paths of a split are given, some paths of a split are
            missing, or an option is out of its range.
    """

    expected = EXPECTED

    def __init__(
        self,
        *,
        root: PathLike | None = None,
        train_annotations: PathLike | None = None,
        train_images: PathLike | None = None,
        train_masks: PathLike | None = None,
        val_annotations: PathLike | None = None,
        val_images: PathLike | None = None,
        val_masks: PathLike | None = None,
        **options: Unpack[PanopticFileOptions],
    ) -> None:
        super().__init__(**options)
        paths = {
            "root": root,
            "train_annotations": train_annotations,
            "train_images": train_images,
            "train_masks": train_masks,
            "val_annotations": val_annotations,
            "val_images": val_images,
            "val_masks": val_masks,
        }
        # As they are given on the command line, for messages.
        self._options, full = given_paths(paths)
        self.root = full.get("root")
        self.sources = _sources(full)

    @property
    def check_options(self) -> str:
        """Name and options of this dataset on the command line, for messages."""
        return f"COCOPanoptic {self._options}"

    @property
    def test_images(self) -> Path | None:
        """`test2017` of the official layout."""
        return None if self.root is None else self.root / "test2017"

    @property
    def naming_split(self) -> Split:
        """The training set, or the validation set without it."""
        if "train" in self.sources and self.sources["train"].annotations.is_file():
            return "train"
        return "val" if "val" in self.sources else "train"

    def paths(self, split: Split) -> PanopticPaths:
        """The paths of a split, given or official.

        Raises:
            ConfigError: They were not given.
        """
        if split not in self.sources:
            raise ConfigError(
                f"there is no {split} set: set {split}_annotations and {split}_images, or root."
            )
        return self.sources[split]

    def _known_splits(self) -> list[Split]:
        return [split for split in self.sources if self.sources[split].annotations.is_file()]


def _sources(paths: dict[str, Path]) -> dict[Split, PanopticPaths]:
    """The paths of each split, from the given paths by option."""
    sources: dict[Split, PanopticPaths] = {}
    for split in _SPLITS:
        annotations, images, masks = (
            paths.get(f"{split}_{what}") for what in ("annotations", "images", "masks")
        )
        if "root" in paths:
            annotations = annotations or paths["root"] / f"annotations/panoptic_{split}2017.json"
            images = images or paths["root"] / f"{split}2017"
        elif annotations is None and images is None and masks is None:
            continue
        for what, path in (("annotations", annotations), ("images", images)):
            if path is None:
                raise ConfigError(
                    f"{split}_{what} must be set too: the {split} set needs both its annotations "
                    "and its images."
                )
        assert annotations is not None, "it is not None by now"
        assert images is not None, "it is not None by now"
        beside = [annotations.with_suffix("")]
        if "root" in paths:
            beside.append(paths["root"] / f"panoptic_{split}2017")
        found = next((folder for folder in beside if folder.is_dir()), beside[0])
        sources[split] = PanopticPaths(annotations, images, masks or found)
    if not sources:
        raise ConfigError(
            "set root to the folder of COCO, or train_annotations, train_images, "
            "val_annotations and val_images to the files of another dataset."
        )
    return sources
