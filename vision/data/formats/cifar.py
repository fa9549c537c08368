"""Reading of CIFAR-10's and CIFAR-100's official files: Python 2 pickles in a tar archive."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vision.data.files.finding import require_folder
from vision.data.files.safe_tar import MAX_READ_BYTES, iter_files, open_archive
from vision.data.formats.plain_pickle import read_plain_pickle
from vision.errors import DataError, listed
from vision.reading import read_file

SIDE = 32  # pixels
CHANNELS = 3


class Layout(NamedTuple):
    """File names and keys of one dataset.

    Attributes:
        archive: The official archive.
        folder: The folder in it.
        train: Files of the training set.
        test: File of the test set.
        meta: File of the class names.
        labels: Key of the labels in a file of images.
        names: Key of the class names in `meta`.
        title: Beginning of the `path` of a sample.
    """

    archive: str
    folder: str
    train: tuple[str, ...]
    test: str
    meta: str
    labels: str
    names: str
    title: str


CIFAR10_LAYOUT = Layout(
    archive="cifar-10-python.tar.gz",
    folder="cifar-10-batches-py",
    train=tuple(f"data_batch_{number}" for number in range(1, 6)),
    test="test_batch",
    meta="batches.meta",
    labels="labels",
    names="label_names",
    title="cifar10",
)
CIFAR100_LAYOUT = Layout(
    archive="cifar-100-python.tar.gz",
    folder="cifar-100-python",
    train=("train",),
    test="test",
    meta="meta",
    labels="fine_labels",
    names="fine_label_names",
    title="cifar100",
)


def read_names(root: Path, layout: Layout) -> tuple[str, ...]:
    """Names of the classes, by label.

    Raises:
        DataError: The file of names is absent or damaged, or has no names.
    """
    content, place = read_files(root, layout, [layout.meta])[layout.meta]
    names = content.get(layout.names)
    if not isinstance(names, list) or not names:
        raise DataError(
            f"'{place}' has no list '{layout.names}'; it has {listed(content) or 'nothing'}."
        )
    return tuple(map(str, names))


def read_files(
    root: Path, layout: Layout, names: Sequence[str]
) -> dict[str, tuple[dict[str, Any], str]]:
    """Read some of the files, from the unpacked folder or else from the archive.

    Args:
        root: The folder of either.
        layout: The dataset.
        names: The files.

    Returns:
        The content of each file, and its path.

    Raises:
        DataError: A file is absent or damaged, or asks to run code.
    """
    expected = (
        f"Expected ROOT/{layout.folder}/{{{','.join([*layout.train, layout.test, layout.meta])}}} "
        f"or ROOT/{layout.archive}."
    )
    require_folder(root, expected)
    folder, archive = root / layout.folder, root / layout.archive
    found: dict[str, tuple[dict[str, Any], str]] = {}
    if folder.is_dir():
        for name in names:
            path = folder / name
            if path.is_file():
                found[name] = read_plain_pickle(_read(path), str(path)), str(path)
    elif archive.is_file():
        with open_archive(archive) as opened:
            for member, stream in iter_files(opened):
                name = member.removeprefix(f"{layout.folder}/")
                if name in names:
                    place = f"{archive}/{member}"
                    found[name] = read_plain_pickle(stream.read(), place), place
                if len(found) == len(names):
                    break
    else:
        raise DataError(
            f"'{root.resolve()}' has neither '{layout.folder}' nor '{layout.archive}'. {expected}"
        )
    if absent := [name for name in names if name not in found]:
        where = folder if folder.is_dir() else archive
        raise DataError(f"'{where.resolve()}' has no '{absent[0]}'. {expected}")
    return found


def take_images(
    content: dict[str, Any], place: str, *, key: str, num_classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Take images and labels out of a file's content, and check them.

    Args:
        content: The file's dict.
        place: Path of the file, for errors.
        key: Key of the labels.
        num_classes: Labels are below this number.

    Returns:
        Images, uint8 `(N, 3072)` (channels, then rows), and labels, int64 `(N,)`.

    Raises:
        DataError: Either is absent or of another form, or their numbers differ.
    """
    images, labels = content.get("data"), content.get(key)
    row = CHANNELS * SIDE * SIDE
    if images is None or labels is None:
        absent = "data" if images is None else key
        raise DataError(f"'{place}' has no '{absent}'; it has {listed(content) or 'nothing'}.")
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8:
        kind = images.dtype if isinstance(images, np.ndarray) else type(images).__name__
        raise DataError(f"'{place}' has images of {kind}, expected uint8.")
    if images.shape[1:] != (row,) or not len(images):
        raise DataError(f"'{place}' has images of shape {images.shape}, expected (N, {row}).")
    if not isinstance(labels, list):
        raise DataError(f"'{place}' has '{key}' of {type(labels).__name__}, expected a list.")
    if len(labels) != len(images):
        raise DataError(f"'{place}' has {len(images)} images but {len(labels)} labels.")
    wrong = [x for x in labels if not isinstance(x, int) or not 0 <= x < num_classes]
    if wrong:
        raise DataError(f"'{place}' has the label {wrong[0]!r}, expected 0 to {num_classes - 1}.")
    return images, np.array(labels, dtype=np.int64)


def _read(path: Path) -> bytes:
    return read_file(path, max_bytes=MAX_READ_BYTES)
