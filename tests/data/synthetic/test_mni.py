"""Real scans of an average brain: halves that mirror each other, read and turned into patches."""

from pathlib import Path

import nibabel
import numpy as np
import pytest

from vision.data import VolumeAugment, VolumeFolder
from vision.data.synthetic.mni import (
    BLOCK,
    CLASSES,
    AverageBrain,
    MNISample,
    half,
    read_mni,
    write_mni,
)

pytest.importorskip("nilearn", reason="nilearn has the average brain")


@pytest.fixture(scope="module")
def brain() -> AverageBrain:
    return read_mni()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("brain") / "mni"
    assert write_mni(folder, MNISample()) == {"train": (1, 1), "val": (1, 1)}
    return folder


def test_the_halves_mirror_each_other(brain: AverageBrain) -> None:
    (left, left_mask, left_affine), (right, right_mask, right_affine) = (
        half(brain, name) for name in ("left", "right")
    )
    assert left.shape == right.shape == (24, 58, 47)
    # The average was made symmetric: a mirrored cell has nearly the same value and tissue.
    assert np.corrcoef(left[::-1].ravel(), right.ravel())[0, 1] > 0.99
    assert (left_mask[::-1] == right_mask).mean() > 0.97
    ends = [
        (affine @ [cell, 0, 0, 1])[0] for affine, cell in ((left_affine, 23), (right_affine, 0))
    ]
    assert ends == [-2.5, 2.5]  # mm from the middle plane, of centres of cells


def test_cells_are_means_in_their_place(brain: AverageBrain) -> None:
    image, mask, affine = half(brain, "right")
    for cell in ((3, 30, 25), (10, 20, 30), (0, 0, 0)):
        first = np.linalg.inv(brain.affine) @ affine @ [*cell, 1]
        start = (first[:3] - (BLOCK - 1) / 2).round().astype(int)
        box = tuple(slice(one, one + BLOCK) for one in start)
        assert np.isclose(image[cell], brain.image[box].mean(), rtol=1e-5)
        grey, white = brain.grey[box].mean(), brain.white[box].mean()
        if grey + white >= 0.5:
            assert CLASSES[mask[cell]] == ("grey" if grey >= white else "white")
    shares = np.bincount(mask.ravel(), minlength=4) / mask.size
    assert 0.1 < shares[1] < 0.5
    assert 0.05 < shares[2] < 0.5
    assert image[mask == 2].mean() > image[mask == 1].mean() > image[mask == 3].mean()


def test_a_datamodule_reads_the_halves(root: Path) -> None:
    augment = VolumeAugment(patch_size=(32, 32, 32), affine=1.0)
    data = VolumeFolder(root=root, classes=CLASSES, augment=augment, num_workers=0)
    data.setup("fit")
    assert [*data.index("train").subjects] == ["left"]
    patch = data.train_dataset[0]
    assert patch["volume"].shape == (1, 32, 32, 32)
    assert {1, 2} <= {*patch["mask"].unique().tolist()}
    sample = data.val_dataset[0]
    values = sample["volume"][0]
    inside = values[values != 0]
    assert abs(inside.mean()) < 1e-4
    assert abs(inside.std() - 1) < 1e-3
    stored = nibabel.load(root / "scans" / "right.nii.gz")
    np.testing.assert_allclose(sample["affine"], stored.affine, rtol=1e-6)
