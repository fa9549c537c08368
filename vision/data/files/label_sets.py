"""Images with any number of classes: the same file name in several class folders."""

from collections.abc import Sequence
from pathlib import Path, PurePath

import numpy as np

from vision.data.files.class_folders import LabelledFiles, scan_classes
from vision.data.files.finding import PathList


def label_matrix(sets: Sequence[Sequence[int]], classes: int) -> np.ndarray:
    """Bool `(N, K)`: which of K classes each of N images has.

    Args:
        sets: The labels of each image.
        classes: Number of classes.
    """
    matrix = np.zeros((len(sets), classes), dtype=bool)
    for row, labels in zip(matrix, sets, strict=True):
        row[list(labels)] = True
    return matrix


def scan_label_sets(folder: Path, class_names: Sequence[str]) -> LabelledFiles:
    """Find the images of every class; the same name in several folders is one image.

    Args:
        folder: The folder of the class folders.
        class_names: The classes, by label.

    Returns:
        The files in alphabetical order of their names within the class folders, each from the
        first of its folders, with labels bool `(N, K)`.

    Raises:
        DataError: As for `scan_classes`.
    """
    files = scan_classes(folder, class_names)
    sets: dict[str, list[int]] = {}
    first: dict[str, str] = {}
    for path, label in zip(files.paths, files.labels.tolist(), strict=True):
        name = str(PurePath(path).relative_to(folder / class_names[label]))
        first.setdefault(name, path)
        sets.setdefault(name, []).append(label)
    names = sorted(sets)
    matrix = label_matrix([sets[name] for name in names], len(class_names))
    return LabelledFiles(PathList(first[name] for name in names), matrix)
