"""Composed heads, their tumours and their scans: what a model can learn from them."""

from typing import NamedTuple

import numpy as np
import pytest
from scipy import ndimage

from vision.data.synthetic.head_anatomy import TISSUES, Anatomy, compose_head, paint
from vision.data.synthetic.head_lesions import LESION_TISSUES, Lesions, compose_lesions
from vision.data.synthetic.head_scan import MODALITIES, rician, scan_head
from vision.data.synthetic.head_space import Grid, make_grid

SUBJECTS = 12
NCR, ED, ET = 1, 2, 3


class Head(NamedTuple):
    grid: Grid
    anatomy: Anatomy
    lesions: Lesions
    scans: np.ndarray


@pytest.fixture(scope="module")
def heads() -> list[Head]:
    made = []
    for place in range(SUBJECTS):
        rng = np.random.default_rng([3, place])
        grid = make_grid(rng, size=32)
        anatomy = compose_head(rng, grid)
        lesions = compose_lesions(rng, anatomy, width_mm=0.5 * grid.cell_mm)
        scans = scan_head(rng, anatomy, lesions, width_mm=0.5 * grid.cell_mm)
        made.append(Head(grid, anatomy, lesions, scans))
    return made


def test_tissues_fill_each_cell(heads: list[Head]) -> None:
    for head in heads:
        parts = head.anatomy.parts
        np.testing.assert_allclose(parts.sum(axis=0), 1, atol=1e-5)
        assert parts.min() >= 0
        # From outside to inside, and air all around.
        place = {
            tissue: head.anatomy.brain_mm[part > 0.5].mean()
            for tissue, part in zip(TISSUES, parts, strict=True)
            if (part > 0.5).any()
        }
        assert place["air"] < place["bone"] < place["grey"] < place["white"]
        air = parts[TISSUES.index("air")]
        assert min(air[0].min(), air[-1].min(), air[:, 0].min(), air[:, -1].min()) > 0.5
        # A head without face and neck: 1.5 to 3 litres, with a brain of 0.7 to 1.5.
        litres = head.grid.cell_mm**3 / 1e6
        assert 1.5 < (air < 0.5).sum() * litres < 3
        assert 0.7 < (head.anatomy.brain_mm > 0).sum() * litres < 1.5


def test_a_tissue_that_is_painted_replaces_its_share() -> None:
    parts = np.zeros((len(TISSUES), 1, 1, 2), np.float32)
    parts[0] = 1
    paint(parts, "bone", np.array([[[0.25, 1.0]]], np.float32))
    np.testing.assert_array_equal(parts[0], [[[0.75, 0]]])
    np.testing.assert_array_equal(parts[TISSUES.index("bone")], [[[0.25, 1]]])


def test_lesions_are_nested_within_the_brain(heads: list[Head]) -> None:
    shells = []
    for head in heads:
        classes = head.lesions.classes
        assert classes.dtype == np.uint8
        whole, core = classes > 0, (classes == NCR) | (classes == ET)
        assert whole.any()
        assert core.any()
        assert (head.anatomy.brain_mm[whole] > -1.001).all()
        assert whole.sum() < 0.35 * (head.anatomy.brain_mm > 0).sum()
        # One or two lesions, each in few pieces.
        assert ndimage.label(whole)[1] <= 4
        # Oedema is around the core, but for the surface of the brain.
        shell = ndimage.binary_dilation(core) & ~core & (head.anatomy.brain_mm > 6)
        shells.append((classes[shell] == ED).mean())
        parts = head.lesions.parts.sum(axis=0)
        assert parts.min() >= 0
        assert parts.max() <= 1 + 1e-5
        assert (parts[whole] > 0.3).all()
    assert np.mean(shells) > 0.7


def test_some_lesions_do_not_enhance_and_some_subjects_have_two(heads: list[Head]) -> None:
    enhancing = [bool((head.lesions.classes == ET).any()) for head in heads]
    assert any(enhancing)
    assert not all(enhancing)
    sizes = [(head.lesions.classes > 0).sum() * head.grid.cell_mm**3 / 1000 for head in heads]
    assert max(sizes) > 3 * min(sizes)  # millilitres
    centres = [np.argwhere(head.lesions.classes > 0).mean(axis=0) for head in heads]
    assert (np.std(centres, axis=0) > 1).all()


def test_each_modality_shows_its_tissue(heads: list[Head]) -> None:
    found: dict[str, list[float]] = {name: [] for name in ("ED in flair", "ET in t1ce", "fluid")}
    for head in heads:
        classes = head.lesions.classes
        scans = dict(zip(MODALITIES, head.scans.astype(float), strict=True))
        white = (head.anatomy.parts[TISSUES.index("white")] > 0.9) & (classes == 0)
        fluid = (head.anatomy.parts[TISSUES.index("fluid")] > 0.9) & (classes == 0)
        assert (head.scans.dtype, head.scans.shape[1:]) == (np.int16, classes.shape)
        outside = head.anatomy.parts[0] > 0.5
        assert (head.scans[:, outside] == 0).all()
        assert (head.scans[:, ~outside] > 0).all()
        found["ED in flair"].append(
            scans["flair"][classes == ED].mean() / scans["flair"][white].mean()
        )
        if (classes == ET).any():
            found["ET in t1ce"].append(
                scans["t1ce"][classes == ET].mean() / scans["t1ce"][white].mean()
            )
        found["fluid"].append(
            scans["t2"][fluid].mean()
            / scans["flair"][fluid].mean()
            * scans["flair"][white].mean()
            / scans["t2"][white].mean()
        )
    assert min(found["ED in flair"]) > 1.3
    assert np.mean(found["ET in t1ce"]) > 1.05
    assert min(found["fluid"]) > 2


def test_no_threshold_finds_the_whole_lesion(heads: list[Head]) -> None:
    """The skin is as bright as lesions are: the best threshold of each subject is not enough."""
    scores = []
    for head in heads:
        whole, flair = head.lesions.classes > 0, head.scans[0]
        dice = [
            2 * (whole & (flair > level)).sum() / (whole.sum() + (flair > level).sum())
            for level in np.quantile(flair, np.linspace(0.5, 0.999, 40))
        ]
        scores.append(max(dice))
    assert np.mean(scores) < 0.7


def test_noise_has_the_distribution_of_rice() -> None:
    rng = np.random.default_rng(5)
    # Without a signal it is Rayleigh's: mean sqrt(pi / 2), mean square 2; far above it is normal.
    none = rician(rng, np.zeros(200_000, np.float32), 0.1)
    assert none.mean() == pytest.approx(0.1 * np.sqrt(np.pi / 2), rel=0.01)
    assert np.square(none).mean() == pytest.approx(0.02, rel=0.02)
    strong = rician(rng, np.full(200_000, 5, np.float32), 0.1)
    assert strong.std() == pytest.approx(0.1, rel=0.02)
    assert strong.mean() == pytest.approx(5 + 0.01 / 10, abs=1e-3)


def test_lesion_names_are_those_of_their_labels() -> None:
    assert LESION_TISSUES == ("NCR", "ED", "ET")
