"""Transforms of volumes: equal to MONAI's, and cells keep their place in the patient."""

from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from helpers.tiny_volumes import LPS, SHAPE, tumour

from vision.contracts.volumes import IGNORED
from vision.data.transforms.volumes import (
    Volume,
    VolumeEvalTransform,
    VolumeTrainTransform,
    normalise,
    resample,
)
from vision.data.transforms.volumes_options import VolumeAugment
from vision.errors import ConfigError, DataError
from vision.ops.volume_axes import CODES

monai = pytest.importorskip("monai.transforms")
MetaTensor = pytest.importorskip("monai.data").MetaTensor

OBLIQUE = nibabel.affines.from_matvec(
    nibabel.eulerangles.euler2mat(0.3, 0.2, -0.1) @ np.diag([-1.0, 1.5, 3.0]), [10, -20, 30]
)
WHOLE = {"orientation": "RAS", "intensity": None}


@pytest.fixture(scope="module")
def stored() -> Volume:
    values, mask = tumour(0)
    return Volume(values.astype(np.float32), LPS, mask)


def ramp(affine: np.ndarray, shape: tuple[int, ...] = SHAPE) -> Volume:
    """A volume whose three channels are the place of each cell in millimetres."""
    places = np.stack([*np.indices(shape), np.ones(shape)])
    world = np.einsum("ij,jdhw->idhw", affine, places)[:3]
    return Volume(world.astype(np.float32), affine, np.ones(shape, np.uint8))


def require_places(volume: Volume, valid: np.ndarray | bool = True) -> None:
    """Each cell has the value of its place."""
    wanted = ramp(volume.affine, volume.values.shape[1:]).values
    off = np.abs(volume.values - wanted).max(axis=0)
    assert (off[np.broadcast_to(valid, off.shape)] < 2e-3).all()


@pytest.mark.parametrize("orientation", ["RAS", "LPS", "SPL"])
def test_orientation_and_spacing_are_monais(stored: Volume, orientation: str) -> None:
    spacing = (0.7, 1.9, 1.0)
    transform = VolumeEvalTransform(orientation=orientation, spacing=spacing, intensity=None)
    found = transform.prepare(Volume(stored.values, OBLIQUE))
    tensor = monai.Orientation(axcodes=orientation, labels=CODES)(
        MetaTensor(torch.from_numpy(stored.values), affine=torch.tensor(OBLIQUE))
    )
    wanted = monai.Spacing(pixdim=spacing, mode="bilinear", padding_mode="border")(tensor)
    np.testing.assert_allclose(found.affine, wanted.affine, atol=1e-6)
    np.testing.assert_allclose(found.values, wanted.numpy(), rtol=1e-4, atol=2e-3)
    assert transform.size_of(SHAPE, OBLIQUE) == wanted.shape[1:]


def test_masks_are_resampled_from_the_nearest_cell(stored: Volume) -> None:
    found = resample(stored, (2.0, 1.0, 0.5))
    assert found.mask is not None
    assert stored.mask is not None
    np.testing.assert_array_equal(found.mask[:, :, ::2], stored.mask[::2])
    assert {*np.unique(found.mask)} == {*np.unique(stored.mask)}


@pytest.mark.parametrize("affine", [LPS, OBLIQUE], ids=["straight", "oblique"])
def test_the_affine_leads_to_the_place_of_each_cell(affine: np.ndarray) -> None:
    transform = VolumeEvalTransform(**WHOLE, spacing=(1.3, 0.8, 2.0))
    prepared = transform.prepare(ramp(affine))
    # Beyond the last cell values continue.
    inside = tuple(slice(None, -2) for _ in range(3))
    start = Volume(prepared.values[(slice(None), *inside)], prepared.affine)
    require_places(start)
    assert prepared.mask is not None
    assert prepared.mask.shape == SHAPE  # of the original cells


@pytest.mark.parametrize("intensity", ["zscore_nonzero", "zscore", {"window": [100.0, 500.0]}])
def test_normalised_values_are_monais(stored: Volume, intensity: Any) -> None:
    values = stored.values.copy()
    values[1] = 0  # an empty modality
    values[2] = 7  # a constant one
    tensor = torch.from_numpy(values)
    if isinstance(intensity, str):
        nonzero = intensity == "zscore_nonzero"
        wanted = monai.NormalizeIntensity(nonzero=nonzero, channel_wise=True)(tensor)
    else:
        low, high = intensity["window"]
        wanted = monai.ScaleIntensityRange(low, high, 0.0, 1.0, clip=True)(tensor)
    found = normalise(values, intensity)
    np.testing.assert_allclose(found, np.asarray(wanted), atol=2e-6)
    assert found is not values


def test_the_foreground_box_is_monais(stored: Volume) -> None:
    transform = VolumeEvalTransform(orientation="LPS", intensity=None, foreground_crop=True)
    found = transform.prepare(stored)
    wanted = monai.CropForeground(allow_smaller=True)(torch.from_numpy(stored.values))
    np.testing.assert_array_equal(found.values, np.asarray(wanted))
    start = np.linalg.inv(LPS) @ found.affine @ [0, 0, 0, 1]
    first = start[:3].round().astype(int)
    assert (found.values[:, 0, 0, 0] == stored.values[:, *first]).all()


@pytest.mark.parametrize("published", [False, True])
@pytest.mark.parametrize("affine", [0.0, 1.0])
def test_a_patch_keeps_its_cells_in_their_place(published: bool, affine: float) -> None:
    augment = VolumeAugment(
        patch_size=(8, 12, 16), published=published, affine=affine, scale=0.0, shift=0.0
    )
    transform = VolumeTrainTransform(augment, **WHOLE)
    volume = ramp(OBLIQUE)
    lifted = Volume(volume.values + 1000, OBLIQUE, volume.mask)  # all of it is above 0
    prepared = transform.prepare(lifted)
    for seed in range(12):
        torch.manual_seed(seed)
        patch = transform.finish(prepared)
        assert patch.values.shape == (3, 8, 12, 16)
        assert patch.mask is not None
        # Linear interpolation of what is linear is exact, but at the end of the volume.
        inside = (patch.mask == 1) & (np.abs(patch.values) > 1).all(axis=0)
        inside &= np.roll(inside, 1, 0) & np.roll(inside, 1, 1) & np.roll(inside, 1, 2)
        if affine:
            middle = np.zeros_like(inside)
            middle[3:5, 5:7, 7:9] = True
            inside &= middle
        require_places(Volume(patch.values - 1000, patch.affine), inside)


def test_published_patches_are_those_of_the_script(stored: Volume) -> None:
    """MONAI's own crop, flips and z-score give the same from the same place."""
    patch = (16, 32, 32)
    augment = VolumeAugment(patch_size=patch, published=True, scale=0.0, shift=0.0)
    transform = VolumeTrainTransform(augment, orientation="LPS", intensity="zscore_nonzero")
    prepared = transform.prepare(stored)
    enlarged = np.asarray(monai.CropForeground(k_divisible=patch)(torch.from_numpy(stored.values)))
    assert enlarged.shape[1:] == (32, 32, 32)
    normal = monai.NormalizeIntensity(nonzero=True, channel_wise=True)
    windows = [
        np.asarray(normal(torch.from_numpy(enlarged[:, d : d + 16].copy()))) for d in range(17)
    ]
    starts = set()
    for seed in range(12):
        torch.manual_seed(seed)
        found = transform.finish(prepared).values
        same = [
            place
            for place, window in enumerate(windows)
            for d in (1, -1)
            for h in (1, -1)
            for w in (1, -1)
            if np.allclose(found, window[:, ::d, ::h, ::w], atol=1e-5)
        ]
        assert same, "the patch is one of the windows"
        starts.add(same[0])
    assert len(starts) > 4


def test_the_share_of_patches_about_a_class_is_as_set() -> None:
    mask = np.zeros((40, 40, 40), np.uint8)
    mask[1, 1, 1], mask[38, 38, 38] = 1, 2
    volume = Volume(np.ones((1, 40, 40, 40), np.float32), np.eye(4), mask)
    augment = VolumeAugment(patch_size=(4, 4, 4), foreground=0.5, flip=(0, 0, 0))
    transform = VolumeTrainTransform(augment, intensity=None)
    torch.manual_seed(0)
    found = [transform.finish(volume).mask for _ in range(400)]
    counts = [sum(label in patch for patch in found if patch is not None) for label in (1, 2)]
    # Half of the patches have a class, each class a half of those; 5 standard deviations.
    assert all(60 < count < 140 for count in counts)


def test_a_volume_smaller_than_the_patch_stands_in_its_middle(stored: Volume) -> None:
    augment = VolumeAugment(patch_size=(32, 32, 32), flip=(0, 0, 0), scale=0.0, shift=0.0)
    transform = VolumeTrainTransform(augment, orientation="LPS", intensity=None)
    patch = transform.change(stored)
    assert patch.mask is not None
    box = tuple(slice((32 - side) // 2, (32 - side) // 2 + side) for side in SHAPE)
    np.testing.assert_array_equal(patch.mask[box], stored.mask)
    np.testing.assert_array_equal(patch.values[(slice(None), *box)], stored.values)
    outside = np.ones((32, 32, 32), bool)
    outside[box] = False
    assert (patch.mask[outside] == IGNORED).all()
    assert (patch.values[:, outside] == 0).all()


def test_scale_and_shift_are_one_number_for_all_modalities(stored: Volume) -> None:
    augment = VolumeAugment(patch_size=SHAPE, flip=(0, 0, 0), scale=0.1, shift=0.1)
    transform = VolumeTrainTransform(augment, orientation="LPS", intensity="zscore")
    prepared = transform.prepare(stored)
    factors = []
    for seed in range(20):
        torch.manual_seed(seed)
        found = transform.finish(prepared).values.ravel()
        factor, offset = np.polyfit(prepared.values.ravel(), found, 1)
        np.testing.assert_allclose(factor * prepared.values.ravel() + offset, found, atol=1e-4)
        assert abs(factor - 1) <= 0.1
        assert abs(offset) <= 0.1
        factors.append(factor)
    assert np.std(factors) > 0.03


def test_a_prepared_volume_is_not_changed_by_its_patches(stored: Volume) -> None:
    transform = VolumeTrainTransform(VolumeAugment(patch_size=SHAPE), orientation="LPS")
    prepared = transform.prepare(stored)
    before = prepared.values.copy()
    for _ in range(4):
        transform.finish(prepared)
    np.testing.assert_array_equal(prepared.values, before)


def test_a_volume_that_fills_the_memory_is_refused() -> None:
    volume = Volume(np.ones((1, *SHAPE), np.float32), np.diag([100.0, 100, 100, 1]))
    with pytest.raises(DataError, match=r"would have 7\.43e\+12 cells, more than 1,000,000,000"):
        resample(volume, (0.1, 0.1, 0.1))


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"orientation": "RAX"}, "three letters"),
        ({"spacing": (1, 1)}, "spacing"),
        ({"spacing": (1, 0, 1)}, "spacing"),
        ({"intensity": "minmax"}, "zscore_nonzero"),
        ({"intensity": {"window": [5, 5]}}, "window"),
        ({"intensity": {"range": [0, 5]}}, "window"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        VolumeEvalTransform(**options)


def test_a_patch_that_fills_the_memory_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"augment\.patch_size=\[1024, 1024, 512\] has 536,870,912"
    ):
        VolumeAugment(patch_size=(1024, 1024, 512))
