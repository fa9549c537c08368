"""Folds and shares that are held out, for one class per image and for several."""

import numpy as np
import pytest
from helpers.refusals import refuses
from sklearn.model_selection import StratifiedKFold

from vision.data.files.class_folders import LabelledFiles
from vision.data.files.finding import PathList
from vision.data.files.folds import rarest_labels, split_classes, split_fold
from vision.errors import DataError

LABELS = np.repeat([0, 1, 2], [10, 7, 5])
NAMES = ("a", "b", "c")


def files(labels: np.ndarray = LABELS) -> LabelledFiles:
    return LabelledFiles(PathList(f"{i:02}" for i in range(len(labels))), labels)


def held(fold: int, *, seed: int = 0, labels: np.ndarray = LABELS) -> list[str]:
    train, val = split_fold(files(labels), NAMES, fold=fold, folds=5, seed=seed)
    assert sorted([*train.paths, *val.paths]) == [*files(labels).paths]
    return [*val.paths]


def test_folds_are_scikit_learns() -> None:
    parts = StratifiedKFold(5, shuffle=True, random_state=3).split(LABELS, LABELS)
    assert [held(fold, seed=3) for fold in range(5)] == [
        [f"{i:02}" for i in part] for _, part in parts
    ]


def test_every_image_validates_once_and_classes_are_shared_out() -> None:
    folds = [held(fold) for fold in range(5)]
    assert sorted(name for fold in folds for name in fold) == [*files().paths]
    for fold in folds:
        counts = np.bincount(LABELS[[int(name) for name in fold]], minlength=3)
        assert counts[0] == 2
        assert counts[1] in (1, 2)
        assert counts[2] == 1
    assert folds != [held(fold, seed=1) for fold in range(5)]


def test_a_class_with_fewer_images_than_folds_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    held(0, labels=np.repeat([0, 1, 2], [10, 7, 2]))
    assert "c" in caplog.text
    with refuses(DataError, "folds=5", "3 images"):
        split_fold(files(np.repeat([0, 1, 2], 3)), NAMES, fold=0, folds=5, seed=0)


def test_several_classes_count_as_the_rarest() -> None:
    sets = np.array([[1, 0, 0], [1, 1, 0], [1, 1, 1], [0, 0, 0], [1, 0, 0]], dtype=bool)
    assert rarest_labels(sets).tolist() == [0, 1, 2, 3, 0]


def test_a_share_of_images_with_several_classes() -> None:
    rng = np.random.default_rng(0)
    sets = rng.random((60, 3)) < (0.8, 0.5, 0.2)
    train, val = split_classes(files(sets), NAMES, fraction=0.2, seed=0)
    assert len(val.labels) == pytest.approx(12, abs=2)
    assert sorted([*train.paths, *val.paths]) == [*files(sets).paths]
    assert val.labels.any(axis=0).all()
