"""Volumes of labels compared between two folders of NIfTI files."""

from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
from helpers.refusals import refuses

from vision.errors import DataError
from vision.metrics.file_pairs import FilePair, pair_files
from vision.metrics.volumes.evaluator import VolumeEvaluator
from vision.metrics.volumes.files import BRATS_REGIONS, evaluate_volumes
from vision.ops.nifti import SUFFIXES

SIZE = (9, 8, 7)
AFFINE = np.diag([-1.0, -2.0, 1.5, 1])
Write = Callable[..., FilePair]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write an annotation and a prediction, by default of the same grid."""

    def write_pair(
        truth: np.ndarray, found: np.ndarray, *, affine: np.ndarray = AFFINE, name: str = "a"
    ) -> FilePair:
        pair = FilePair(tmp_path / f"{name}_seg.nii.gz", tmp_path / f"{name}.nii.gz")
        for path, labels, own in zip(pair, (truth, found), (AFFINE, affine), strict=True):
            nibabel.save(nibabel.Nifti1Image(labels.astype(np.int16), own), path)
        return pair

    return write_pair


def random_labels(seed: int, values: tuple[int, ...] = (0, 1, 2, 4)) -> np.ndarray:
    return np.random.default_rng(seed).choice(values, SIZE)


@pytest.mark.parametrize("workers", [0, 2])
def test_files_are_measured_as_masks_are(write: Write, workers: int) -> None:
    pairs = [write(random_labels(n), random_labels(9 - n), name=f"p{n}") for n in range(3)]
    scores = evaluate_volumes(pairs, BRATS_REGIONS, workers=workers)
    evaluator = VolumeEvaluator(("TC", "WT", "ET"))
    for n in range(3):
        truth, found = random_labels(n), random_labels(9 - n)
        masks = [
            np.stack([np.isin(one, v) for v in ((1, 4), (1, 2, 4), (4,))]) for one in (found, truth)
        ]
        evaluator.update(f"p{n}", *masks, None, (1, 2, 1.5))
    expected = evaluator.compute(all_processes=False)
    assert scores.rows() == expected.rows()
    assert scores.to_json() == expected.to_json()


def test_2023s_value_of_the_enhancing_tumour_counts_as_2021s(write: Write) -> None:
    labels = random_labels(0)
    pair = write(labels, np.where(labels == 4, 3, labels))
    assert evaluate_volumes([pair], BRATS_REGIONS).scalars()["Dice"] == 1


def test_ignored_cells_do_not_count(write: Write) -> None:
    truth = random_labels(0, (0, 1))
    found = truth.copy()
    truth[0], found[0] = 255, 1
    scores = evaluate_volumes([write(truth, found)], {"liver": (1,)}, ignored=[255])
    assert scores.scalars()["Dice_liver"] == 1
    assert scores.scalars()["VolumeError"] == 0


def test_a_prediction_on_another_grid_is_refused_with_the_difference(write: Write) -> None:
    labels = random_labels(0)
    with refuses(DataError, "a.nii.gz", "9 x 8 x 6", "9 x 8 x 7"):
        evaluate_volumes([write(labels, labels[..., :6])], BRATS_REGIONS)
    with refuses(DataError, "a.nii.gz", "LPS", "RPS", "16 mm"):
        affine = np.diag([1.0, -2.0, 1.5, 1])
        evaluate_volumes([write(labels, labels, affine=affine)], BRATS_REGIONS)
    affine = AFFINE + 1e-4 * np.eye(4, k=3)
    evaluate_volumes([write(labels, labels, affine=affine)], BRATS_REGIONS)


def test_labels_outside_the_map_are_refused_with_the_file(write: Write) -> None:
    labels = random_labels(0)
    other = labels.copy()
    other[0, 0, :2] = 7
    with refuses(DataError, "a_seg.nii.gz", "label 7 in 2 cells", "0, 1, 2, 3, 4", "--labels"):
        evaluate_volumes([write(other, labels)], BRATS_REGIONS)
    # What does not count in annotations is no label of predictions.
    with refuses(DataError, "a.nii.gz", "label 7 in 2 cells"):
        evaluate_volumes([write(labels, other)], BRATS_REGIONS, ignored=[7])
    with refuses(DataError, "a_seg.nii.gz", "9 x 8 x 7 x 2", "three axes"):
        evaluate_volumes([write(np.stack([labels] * 2, -1), labels)], BRATS_REGIONS)


def test_pairs_have_one_name_in_folders_of_their_own(tmp_path: Path) -> None:
    for name in ("truth/p1/p1_seg.nii.gz", "truth/p1/p1_t1.nii.gz", "truth/p2/p2_seg.nii"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "found").mkdir()
    for name in ("p1.nii.gz", "p2.nii.gz"):
        (tmp_path / "found" / name).touch()
    options = {"annotation_suffix": "_seg", "extensions": SUFFIXES, "folders": False}
    pairs = pair_files(tmp_path / "truth", tmp_path / "found", **options)
    assert [tuple(path.name for path in pair) for pair in pairs] == [
        ("p1_seg.nii.gz", "p1.nii.gz"),
        ("p2_seg.nii", "p2.nii.gz"),
    ]
    (tmp_path / "truth" / "p1_seg.nii.gz").touch()
    with refuses(DataError, "truth/p1_seg.nii.gz", "truth/p1/p1_seg.nii.gz"):
        pair_files(tmp_path / "truth", tmp_path / "found", **options)
