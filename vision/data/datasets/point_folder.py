"""Clouds of points of one's own, in a folder for each split."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from vision.data.base.points import PointData, PointOptions
from vision.data.base.splits import Split
from vision.data.classes.point_labels import PointLabels
from vision.data.files.finding import require_folder, walk_folders
from vision.data.formats.clouds import READERS
from vision.data.formats.point_labels import LABELS
from vision.data.formats.rooms import RoomFiles
from vision.documents.text import read_lines
from vision.errors import DataError, listed
from vision.keywords import Unpack
from vision.reading import MAX_SETTINGS_BYTES, user_path

EXPECTED = (
    "Expected ROOT/train and ROOT/val, each a folder of files or a text file with a path in each "
    f"line (ROOT/train.txt). Files are {listed(READERS)}; labels are in them, or of NAME.ply in "
    f"NAME{LABELS}."
)


class PointFolder(PointData):
    """Clouds of points with the class of each, in a folder or a list for each split.

    Files are PLY with a property `label`, npy of rows x y z red green blue label, npz, or LAS; see
    docs/data_points.md. Without a test set the validation set is tested. The files of the split
    `predict` need no labels; without it, what is tested is predicted.

    Args:
        root: The dataset's folder.
        classes: Name of each class.
        label_values: Value of each class in files; None numbers them from 0.
        ignored: Values of points that are ignored, unless a class has them.
        train: The training set: a folder in `root`, or a text file with a path, relative to
            `root`, in each line. Of a name without a file, the list `NAME.txt` is taken.
        val: The validation set, likewise.
        test: The test set, likewise; None tests the validation set.
        predict: What is predicted, likewise; None predicts what is tested.
        **options: Other keywords of `PointData`.

    Raises:
        ConfigError: An option is out of its range, or the classes do not fit their values.
    """

    expected = EXPECTED

    def __init__(
        self,
        *,
        root: str | os.PathLike[str],
        classes: Sequence[str],
        label_values: Sequence[int] | None = None,
        ignored: Sequence[int] = (-1, 255),
        train: str = "train",
        val: str = "val",
        test: str | None = None,
        predict: str | None = None,
        **options: Unpack[PointOptions],
    ) -> None:
        super().__init__(**options)
        self.root = user_path(root)
        values = range(len(classes)) if label_values is None else label_values
        self._labels = PointLabels(
            names=tuple(classes), values=tuple(values), ignored=tuple(ignored)
        )
        self._given: dict[Split, str | None] = {
            **{"train": train, "val": val, "test": test, "predict": predict}
        }

    @property
    def labels(self) -> PointLabels:
        """The classes as they are given."""
        return self._labels

    @property
    def test_split(self) -> Split:
        """The test set if there is one, or else the validation set."""
        return "val" if self._given["test"] is None else "test"

    @property
    def predict_split(self) -> Split:
        """What is given to be predicted, or else what is tested."""
        return self.test_split if self._given["predict"] is None else "predict"

    def find_rooms(self, split: Split) -> Sequence[RoomFiles]:
        """The files of a split.

        Raises:
            DataError: A folder, a list or a file of it is absent, or two have one name.
        """
        require_folder(self.root, EXPECTED)
        source = self.root / str(self._given[split])
        listing = source if source.is_file() else source.with_name(f"{source.name}.txt")
        if not source.is_dir() and listing.is_file():
            files, base = self._listed(listing), self.root
        else:
            require_folder(source, EXPECTED)
            found = (entry.path for _, entries in walk_folders(source) for entry in entries)
            files, base = sorted(filter(_is_cloud, found)), source
        names = [os.path.splitext(os.path.relpath(file, base))[0] for file in files]
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise DataError(
                f"two files of the {split} split have one name, '{twice[0]}', but for its ending. "
                "Rename one of them: predictions are written under these names."
            )
        labels = [None] * len(files) if split == "predict" else _labels_of(files, split)
        return [RoomFiles(*parts) for parts in zip(names, files, labels, strict=True)]

    def _listed(self, listing: Path) -> list[str]:
        lines = read_lines(listing, max_bytes=MAX_SETTINGS_BYTES, what="list of files")
        files = [os.fspath(self.root / line) for line in lines]
        absent = [line for line, file in zip(lines, files, strict=True) if not os.path.isfile(file)]
        if absent:
            raise DataError(
                f"'{listing}' lists files that '{self.root}' has not: {listed(map(repr, absent))}."
            )
        return files


def _labels_of(files: Sequence[str], split: Split) -> list[str | None]:
    """The files of labels of all files of a split; None where labels are in them."""
    labels = [os.path.splitext(file)[0] + LABELS for file in files]
    absent = [not os.path.isfile(label) for label in labels]
    if all(absent):
        return [None] * len(files)
    if any(absent):
        place = absent.index(True)
        raise DataError(
            f"'{files[place]}' has no file of labels, '{labels[place]}', but others of the {split} "
            "split have. Expected one for each, or labels in all files."
        )
    return [*labels]


def _is_cloud(file: str) -> bool:
    return os.path.splitext(file)[1].lower() in READERS and not file.endswith(LABELS)
