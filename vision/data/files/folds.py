"""Parts of a set held out for validation: a share of each class, or one of several folds."""

import logging
import random
import warnings
from collections.abc import Sequence

import numpy as np

from vision.data.files.class_folders import LabelledFiles
from vision.errors import DataError, listed

logger = logging.getLogger(__name__)


def split_classes(
    files: LabelledFiles, class_names: Sequence[str], *, fraction: float, seed: int
) -> tuple[LabelledFiles, LabelledFiles]:
    """Hold out a share of each class.

    The choice in a class depends only on its name, its number of files and the seed, so that
    adding a class does not change the others. A file with several classes counts for the rarest.

    Args:
        files: All files.
        class_names: The classes, by label.
        fraction: Share of each class to hold out, at least one file and not all; classes with a
            single file keep it.
        seed: Seed of the choice.

    Returns:
        The files that are kept and the files that are held out.

    Raises:
        DataError: Nothing can be held out.
    """
    labels = rarest_labels(files.labels)
    held_out = np.zeros(len(labels), dtype=bool)
    # Sorted once: searching for each class would take minutes for thousands of classes.
    order = np.argsort(labels, kind="stable")
    names = [*class_names, ""]  # the last for files without a class
    bounds = np.searchsorted(labels[order], np.arange(len(names) + 1))
    for label, name in enumerate(names):
        members = order[bounds[label] : bounds[label + 1]]
        if not len(members):
            continue
        count = min(max(1, round(fraction * len(members))), len(members) - 1)
        chosen = random.Random(f"{seed}/{name}").sample(range(len(members)), count)
        held_out[members[chosen]] = True
    if not held_out.any():
        raise DataError(
            f"no images can be held out for validation: each of the {len(class_names)} classes has "
            "a single image. Add images, or give train and val folders."
        )
    return _divided(files, held_out)


def split_fold(
    files: LabelledFiles, class_names: Sequence[str], *, fold: int, folds: int, seed: int
) -> tuple[LabelledFiles, LabelledFiles]:
    """Hold out one of several parts of equal size, which have alike shares of each class.

    The parts are those of scikit-learn's `StratifiedKFold`. A file with several classes counts for
    the rarest of them.

    Args:
        files: All files.
        class_names: The classes, by label.
        fold: The part to hold out, from 0.
        folds: Number of parts.
        seed: Seed of the division, which is the same for each `fold`.

    Returns:
        The files that are kept and the files that are held out.

    Raises:
        DataError: No class has as many files as there are parts.
    """
    from sklearn.model_selection import StratifiedKFold

    labels = rarest_labels(files.labels)
    counts = np.bincount(labels, minlength=len(class_names))
    if counts.max() < folds:
        raise DataError(
            f"folds={folds}: the largest class has {counts.max()} images, fewer than folds. Give "
            "fewer folds, or more images."
        )
    short = [name for name, count in zip(class_names, counts, strict=False) if 0 < count < folds]
    if short:
        logger.warning(
            "fewer than %d images, so that some folds have none: %s", folds, listed(short)
        )
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class")
        parts = [held for _, held in splitter.split(labels, labels)]
    held_out = np.zeros(len(labels), dtype=bool)
    held_out[parts[fold]] = True
    return _divided(files, held_out)


def rarest_labels(labels: np.ndarray) -> np.ndarray:
    """One label for each image, int64 `(N,)`: its only one, or the rarest of several.

    Args:
        labels: int64 `(N,)`, or bool `(N, K)`; an image without any gets the label K.
    """
    if labels.ndim == 1:
        return labels
    order = np.argsort(labels.sum(axis=0), kind="stable")  # classes, the rarest first
    padded = np.concatenate([labels[:, order], np.ones((len(labels), 1), bool)], axis=1)
    return np.append(order, labels.shape[1])[padded.argmax(axis=1)]


def _divided(files: LabelledFiles, held_out: np.ndarray) -> tuple[LabelledFiles, LabelledFiles]:
    return files.take(np.flatnonzero(~held_out)), files.take(np.flatnonzero(held_out))
