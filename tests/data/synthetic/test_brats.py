"""The composed BraTS: every file in its place, with the header and the values of BraTS."""

from pathlib import Path

import numpy as np
import pytest

from vision.data.synthetic.brats import LABEL_VALUES, BraTSSamples, compose_subject, write_brats
from vision.errors import ConfigError

nibabel = pytest.importorskip("nibabel")

SAMPLES = BraTSSamples(subjects=2, size=24, seed=6)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("brats") / "samples"
    assert write_brats(folder, SAMPLES) == {"train": (8, 2)}
    return folder


def test_the_tree_is_that_of_2021(root: Path) -> None:
    names = ["BraTS2021_00000", "BraTS2021_00001"]
    assert sorted(path.name for path in root.iterdir()) == [*names, "samples.json"]
    for name in names:
        found = sorted(path.name for path in (root / name).iterdir())
        assert found == [f"{name}_{part}.nii.gz" for part in ("flair", "seg", "t1", "t1ce", "t2")]


def test_files_hold_their_subjects(root: Path) -> None:
    for place in range(SAMPLES.subjects):
        subject = compose_subject(SAMPLES, place)
        name = f"BraTS2021_{place:05d}"
        images = {
            part: nibabel.load(root / name / f"{name}_{part}.nii.gz")
            for part in ("flair", "t1", "t1ce", "t2", "seg")
        }
        for part, image in images.items():
            assert image.shape == (24, 24, 18), part
            assert image.get_data_dtype() == (np.uint8 if part == "seg" else np.int16), part
            np.testing.assert_allclose(image.affine, subject.grid.affine, atol=1e-4)
            assert nibabel.aff2axcodes(image.affine) == ("L", "P", "S")
        scans = [np.asarray(images[part].dataobj) for part in ("flair", "t1", "t1ce", "t2")]
        np.testing.assert_array_equal(scans, subject.scans)
        labels = np.asarray(images["seg"].dataobj)
        np.testing.assert_array_equal(labels, LABEL_VALUES[subject.classes])
        assert {*np.unique(labels)} <= {0, 1, 2, 4}


def test_a_subject_does_not_depend_on_the_number_of_subjects(root: Path, tmp_path: Path) -> None:
    write_brats(tmp_path / "one", BraTSSamples(subjects=1, size=24, seed=6))
    place = Path("BraTS2021_00000/BraTS2021_00000_t1ce.nii.gz")
    assert (tmp_path / "one" / place).read_bytes() == (root / place).read_bytes()
    other = compose_subject(BraTSSamples(subjects=1, size=24, seed=7), 0)
    assert not np.array_equal(other.scans, compose_subject(SAMPLES, 0).scans)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"subjects": 0}, "subjects=0 must be at least 1"),
        ({"size": 15}, "size=15 must be at least 16 cells"),
        ({"seed": -1}, "seed=-1 must not be negative"),
    ],
)
def test_numbers_that_are_too_small_are_refused(options: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        BraTSSamples(**options)
