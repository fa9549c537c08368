"""Values on the original grid: moved exactly, or interpolated as SciPy does."""

import itertools

import numpy as np
import pytest
import torch
from helpers.refusals import refuses
from scipy.ndimage import map_coordinates

from vision.errors import DataError
from vision.ops.volume_resampling import index_map, to_original

OBLIQUE = torch.tensor(
    [[1.9, 0.3, -0.2, -70.0], [-0.35, 1.8, 0.25, 40.0], [0.2, -0.3, 2.4, -11.5], [0, 0, 0, 1.0]]
)


@pytest.mark.parametrize("axes", [*itertools.permutations(range(3))])
@pytest.mark.parametrize("flips", [(), (0,), (1, 2)])
def test_other_orders_of_axes_and_crops_lead_back_exactly(
    axes: tuple[int, ...], flips: tuple[int, ...]
) -> None:
    original = torch.randn(2, 5, 6, 7).half()
    # The volume: axes in another order, some of them mirrored, cropped to a box.
    low, high = (1, 0, 2), (5, 4, 6)
    crop = original[:, 1:5, 0:4, 2:6]
    volume = crop.permute(0, *(axis + 1 for axis in axes)).flip([axis + 1 for axis in flips])
    to_index = torch.zeros(4, 4)  # from cells of the volume to those of the original
    to_index[3, 3] = 1
    for place, axis in enumerate(axes):
        mirrored = place in flips
        to_index[axis, place] = -1 if mirrored else 1
        to_index[axis, 3] = high[axis] - 1 if mirrored else low[axis]
    affine = OBLIQUE @ to_index
    expected = torch.full_like(original, -3)
    expected[:, 1:5, 0:4, 2:6] = crop
    expected[1][expected[1] == -3] = 0.5
    found = to_original(volume, affine, OBLIQUE, (5, 6, 7), outside=[-3, 0.5])
    assert torch.equal(found, expected)


def test_volumes_that_do_not_overlap_give_nothing() -> None:
    away = OBLIQUE.clone()
    away[:3, 3] += 50 * OBLIQUE[:3, 0]
    found = to_original(torch.ones(1, 3, 3, 3), away, OBLIQUE, (4, 4, 4))
    assert not found.any()


def reference(values: np.ndarray, affine: np.ndarray, onto: np.ndarray, size: tuple[int, ...]):
    """SciPy's linear interpolation at the centres of the other grid, and how far they are outside.

    Returns:
        `(K, d, h, w)`, and `(d, h, w)` cells beyond the first or last centre of an axis.
    """
    move = np.linalg.inv(affine) @ onto
    places = np.stack([*np.indices(size), np.ones(size)])
    where = np.einsum("ij,jdhw->idhw", move, places)[:3]
    found = np.stack([map_coordinates(one, where, order=1, mode="nearest") for one in values])
    sides = np.array(values.shape[1:])[:, None, None, None]
    return found, np.maximum(-where, where - (sides - 1)).max(axis=0)


@pytest.mark.parametrize("turned", [False, True])
def test_other_grids_are_interpolated_trilinearly(turned: bool) -> None:
    values = torch.rand(2, 7, 8, 5, dtype=torch.float64).float()
    affine = torch.diag(torch.tensor([2.0, 1.5, 4.0, 1.0]))
    onto = OBLIQUE / 2 if turned else torch.diag(torch.tensor([-1.1, 1.1, 2.2, 1.0]))
    onto[:3, 3] = torch.tensor([12.0, 1.0, -3.0])
    onto[3, 3] = 1
    size = (9, 10, 8)
    expected, beyond = reference(values.numpy(), affine.numpy(), onto.numpy(), size)
    inside, outside = beyond <= 0.5, torch.from_numpy(beyond > 0.502)
    assert min(inside.sum(), outside.sum()) > 50
    found = to_original(values, affine, onto, size, outside=-1.0)
    assert (found[:, outside] == -1).all()
    np.testing.assert_allclose(found.numpy()[:, inside], expected[:, inside], atol=2e-6)
    half = to_original(values.half(), affine, onto, torch.tensor(size), outside=-1.0)
    assert half.dtype == torch.float16
    np.testing.assert_allclose(half.float().numpy(), found.numpy(), atol=2e-3)


def test_a_volume_of_one_slice_is_interpolated() -> None:
    values = torch.arange(12.0).reshape(1, 3, 4, 1)
    onto = torch.diag(torch.tensor([1.0, 1.0, 0.4, 1.0]))
    found = to_original(values, torch.eye(4), onto, (3, 4, 3), outside=-1.0)
    # The third slice lies at 0.8, more than half a cell away.
    expected = torch.cat([values, values, torch.full_like(values, -1)], dim=-1)
    torch.testing.assert_close(found, expected)


def test_a_flat_affine_is_refused() -> None:
    flat = torch.eye(4)
    flat[2, 2] = 0
    with refuses(DataError, "cannot be inverted", "one plane"):
        index_map(torch.eye(4), flat)
