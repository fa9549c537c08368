"""Orientations and affines agree with nibabel's, and cells keep their place in the patient."""

import itertools

import nibabel
import numpy as np
import pytest
import torch

from vision.errors import ConfigError
from vision.ops.volume_axes import (
    CODES,
    axis_changes,
    orientation_of,
    reorient,
    reoriented_affine,
    spacing_of,
)

ALL = [
    "".join(letters)
    for axes in itertools.permutations(CODES)
    for letters in itertools.product(*axes)
]


def random_affine(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    affine = np.eye(4)
    affine[:3, :3] = rotation * rng.uniform(0.5, 4, 3)
    affine[:3, 3] = rng.normal(size=3) * 50
    return affine


@pytest.mark.parametrize("seed", range(20))
def test_orientation_and_spacing_are_those_of_nibabel(seed: int) -> None:
    affine = random_affine(seed)
    affine[:3, 1] += 0.1 * affine[:3, 0]  # sheared, as a tilted gantry does
    # Of later versions, which let the axis choose first that is nearest to one of the world.
    assert orientation_of(affine) == "".join(nibabel.aff2axcodes(affine))
    np.testing.assert_allclose(spacing_of(affine), nibabel.affines.voxel_sizes(affine))


@pytest.mark.parametrize("target", ALL)
def test_cells_keep_their_place_in_the_patient(target: str) -> None:
    affine, shape = random_affine(3), (2, 3, 4)
    source = orientation_of(affine)
    values = np.arange(24).reshape(shape)
    moved = reorient(values, source, target)
    after = reoriented_affine(affine, shape, target)
    assert orientation_of(after) == target
    for place in np.ndindex(*moved.shape):
        before = np.argwhere(values == moved[place])[0]
        world = affine @ [*before, 1]
        np.testing.assert_allclose(after @ [*place, 1], world, atol=1e-9)
    assert (reorient(moved, target, source) == values).all()
    same = reorient(torch.from_numpy(values)[None], source, target)
    assert (same.numpy() == moved[None]).all()


@pytest.mark.parametrize("wrong", ["RAX", "RRS", "RA", "ras", 3])
def test_other_letters_are_refused(wrong: str) -> None:
    with pytest.raises(ConfigError, match="three letters"):
        axis_changes("RAS", wrong)
