"""The folders of Pascal VOC and their lists of images."""

import os
from pathlib import Path

from vision.annotations.file_names import require_within
from vision.annotations.voc import listed_name
from vision.data.files.finding import require_folder
from vision.documents.text import read_text
from vision.errors import DataError, suggest

EXPECTED = (
    "Expected ROOT/VOC2007/{JPEGImages/*.jpg,Annotations/*.xml,ImageSets/Main/{trainval,test}.txt} "
    "and VOC2012 likewise; ROOT may be the folder above VOCdevkit."
)


def devkit_folder(root: Path, *, expected: str = EXPECTED) -> Path:
    """The folder of the years: `root`, or `VOCdevkit` in it.

    Args:
        root: Where it is looked for.
        expected: The expected tree, for the end of errors.

    Raises:
        DataError: There is no such folder.
    """
    require_folder(root, expected)
    inside = root / "VOCdevkit"
    return inside if inside.is_dir() else root


def read_names(
    folder: Path, image_set: str, *, task: str = "Main", expected: str = EXPECTED
) -> list[str]:
    """Names, without suffix, of the images of a set.

    Args:
        folder: The folder of a year.
        image_set: Such as `"trainval"`.
        task: Folder of the lists of a task: `"Main"` or `"Segmentation"`.
        expected: The expected tree, for the end of errors.

    Raises:
        DataError: The list is absent, empty or not text.
    """
    lists = folder / "ImageSets" / task
    require_folder(lists, expected)
    path = lists / f"{image_set}.txt"
    if not os.path.lexists(path):
        # The folder also has a list of each class, such as cat_train.txt.
        others = [other.stem for other in sorted(lists.glob("*.txt")) if "_" not in other.stem]
        raise DataError(
            f"there is no image set '{path}'; {lists} has {', '.join(others) or 'none'}."
            f"{suggest(image_set, others)} {expected}"
        )
    lines = read_text(path, what="image set").splitlines()
    names = [listed_name(line) for line in lines if line.strip()]
    if not names:
        raise DataError(f"the image set '{path}' is empty.")
    require_within(names, f"the image set '{path}'")
    return names
