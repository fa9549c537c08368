"""Images with any number of classes: in several class folders, or in a CSV file."""

import os
from pathlib import Path

from vision.data.datasets.image_folder import FolderOptions, ImageFolder
from vision.data.files.class_folders import LabelledFiles
from vision.data.files.label_sets import scan_label_sets
from vision.keywords import Unpack


class MultiLabelOptions(FolderOptions, total=False):
    """Keywords that are passed on to `ImageFolder`."""

    val_fraction: float
    file_list: str | os.PathLike[str] | None
    folds: int | None
    fold: int | None


class MultiLabelFolder(ImageFolder):
    """A classification dataset whose images have several classes, one, or none.

    In the tree of `ImageFolder` an image lies, or is linked to, in the folder of each of its
    classes: files of the same name in two class folders are one image. In a CSV file the cell
    `label` holds the classes with semicolons between them (`cat;dog`), or the image has several
    rows; an empty cell is none. Shares and folds that are held out count an image for the rarest of
    its classes.

    Args:
        root: The dataset's folder.
        **options: Other keywords of `ImageFolder`, but for `balanced`.

    Raises:
        ConfigError: An option is out of its range.
    """

    kind = "multilabel"
    multi_label = True

    def __init__(
        self, *, root: str | os.PathLike[str], **options: Unpack[MultiLabelOptions]
    ) -> None:
        super().__init__(root=root, **options)

    def _scan(self, folder: Path) -> LabelledFiles:
        return scan_label_sets(folder, self.class_names)
