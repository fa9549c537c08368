"""The folders of the splits of a dataset, under the names that people give them."""

from collections.abc import Sequence
from pathlib import Path

from vision.errors import DataError

SPLITS = ("train", "val", "test")
# What a folder, or the column `split` of a list, may be called.
NAMES = {"train": ("train",), "val": ("val", "valid", "validation"), "test": ("test",)}
SPLIT_OF = {name: split for split, names in NAMES.items() for name in names}


def split_folders(root: Path, folders: Sequence[str]) -> dict[str, str]:
    """The folder of each split among the folders of a dataset.

    Args:
        root: The dataset's folder, for the message.
        folders: Names of the folders in it.

    Returns:
        Name of the folder by split, of those splits that have one.

    Raises:
        DataError: A split has two folders.
    """
    found: dict[str, str] = {}
    for split, names in NAMES.items():
        present = [name for name in names if name in folders]
        if len(present) > 1:
            raise DataError(
                f"'{root.resolve()}' has {' and '.join(map(repr, present))}, two folders for "
                f"{split}. Keep one, and move the other elsewhere."
            )
        if present:
            found[split] = present[0]
    return found
