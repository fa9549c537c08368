"""Augmentation of images with depth and normals: one geometry, and colours of the image alone."""

from typing import Any

import numpy as np
import pytest
import torch
from helpers.pictures import texture
from helpers.properties import examples
from helpers.refusals import refuses
from hypothesis import given
from hypothesis import strategies as st
from torchvision.transforms import v2

from vision.data.transforms.dense import DenseEvalTransform, DenseTrainTransform
from vision.data.transforms.dense_options import DenseAugment
from vision.data.transforms.dense_targets import DenseTargets
from vision.errors import ConfigError

CAMERA = np.array([50.0, 50.0, 27.5, 19.5])


def ramps(height: int, width: int) -> tuple[torch.Tensor, DenseTargets]:
    """An image whose red and green say the column and the row, and depth that says both."""
    rows, columns = np.mgrid[:height, :width]
    blue = np.full((height, width), 99)
    image = np.stack([2 * columns, 2 * rows, blue]).astype(np.uint8)
    depth = (1 + columns + 1000 * rows).astype(np.float32)
    normals = np.zeros((3, height, width), dtype=np.float32)
    normals[2] = -1
    return torch.from_numpy(image), DenseTargets(depth=depth, normals=normals, camera=CAMERA)


@given(
    seed=st.integers(0, 10**6),
    size=st.tuples(st.integers(24, 90), st.integers(24, 90)),
    crop=st.sampled_from([None, (16, 16), (48, 24), (100, 100)]),
    rotation=st.sampled_from([0.0, 20.0]),
)
@examples(40)
def test_image_and_depth_stay_aligned(
    seed: int, size: tuple[int, int], crop: tuple[int, int] | None, rotation: float
) -> None:
    image, targets = ramps(*size)
    augment = DenseAugment(scale=(1.0, 2.0), crop=crop, rotation=rotation, photometric=False)
    torch.manual_seed(seed)
    changed, found = DenseTrainTransform(augment).change(image, targets)
    assert found is not None
    assert found.depth is not None
    assert found.size == changed.shape[1:]
    if crop is not None:
        assert all(side <= most for side, most in zip(found.size, crop, strict=True))
    assert {*np.unique(found.depth)} <= {0, *np.unique(targets.depth)}
    known = found.depth > 0
    places = np.stack([(found.depth - 1) % 1000, (found.depth - 1) // 1000])
    shown = changed[:2].numpy().astype(float) / 2
    # Away from the black corners the image shows the place that the depth comes from.
    inner = known & (np.abs(changed[2].numpy().astype(int) - 99) == 0)
    assert inner.any()
    assert np.abs(shown - places)[:, inner].max() <= 1.3


def test_colours_leave_the_depth_alone() -> None:
    image = torch.from_numpy(texture(40, 56, seed=0)).permute(2, 0, 1)
    _, targets = ramps(40, 56)
    results = []
    for photometric in (False, True):
        augment = DenseAugment(crop=(32, 32), photometric=photometric)
        torch.manual_seed(3)
        results.append(DenseTrainTransform(augment).change(image, targets))
    (plain, one), (distorted, other) = results
    assert one is not None
    assert other is not None
    np.testing.assert_array_equal(one.depth, other.depth)  # type: ignore[arg-type]
    np.testing.assert_array_equal(one.camera, other.camera)  # type: ignore[arg-type]
    assert not torch.equal(plain, distorted)


def test_the_focal_length_is_kept_on_demand() -> None:
    image, targets = ramps(40, 56)
    found = {}
    for keep in (False, True):
        augment = DenseAugment(
            scale=(2.0, 2.0),
            keep_focal=keep,
            hflip=0,
            photometric=False,
            short_side=40,
            long_side=99,
        )
        _, changed = DenseTrainTransform(augment).change(image, targets)
        assert changed is not None
        found[keep] = changed
    np.testing.assert_array_equal(found[True].depth, found[False].depth / 2)
    assert found[False].camera.tolist() == [100, 100, 55.5, 39.5]
    assert found[True].camera.tolist() == [50, 50, 55.5, 39.5]


def test_images_without_depth_are_changed_too() -> None:
    image, _ = ramps(30, 50)
    for transform in (DenseTrainTransform(DenseAugment(rotation=5)), DenseEvalTransform()):
        changed, found = transform.change(image, None)
        assert found is None
        assert changed.dtype == torch.uint8


def test_evaluation_resizes_the_image_alone() -> None:
    image, targets = ramps(30, 50)
    transform = DenseEvalTransform(short_side=60, long_side=90)
    changed, found = transform.change(image, targets)
    assert changed.shape == (3, 54, 90)
    assert found is targets
    assert DenseEvalTransform(**transform.options).options == transform.options
    unchanged, _ = DenseEvalTransform().change(image, targets)
    assert torch.equal(unchanged, image)


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"rotation": 90}, "rotation=90"),
        ({"scale": (2, 1)}, "scale=(2, 1)"),
        ({"short_side": 5}, "long_side=None"),
        ({"crop": (0, 4)}, "crop=(0, 4)"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], part: str) -> None:
    with refuses(ConfigError, part):
        DenseAugment(**options)


def invert(image: torch.Tensor) -> torch.Tensor:
    return 255 - image


@pytest.mark.parametrize(
    "own",
    [
        {"albumentations": [{"name": "InvertImg", "p": 1.0}]},
        {"transform": v2.RandomInvert(p=1.0)},
        {"transform": invert},
    ],
    ids=["albumentations", "torchvision", "function"],
)
def test_augmentations_of_ones_own_change_colours_last(own: dict[str, Any]) -> None:
    if "albumentations" in own:
        pytest.importorskip("albumentations")
    made = []
    for more in ({}, own):
        torch.manual_seed(0)
        augment = DenseAugment(crop=(30, 40), rotation=10, photometric=False, **more)
        made.append(DenseTrainTransform(augment).change(*ramps(300, 40)))
    (plain, targets), (changed, found) = made
    assert torch.equal(changed, 255 - plain)
    assert targets is not None
    assert found is not None
    for name in ("depth", "normals", "camera"):
        np.testing.assert_array_equal(getattr(found, name), getattr(targets, name))


@pytest.mark.parametrize(
    "own",
    [
        {"albumentations": [{"name": "HorizontalFlip", "p": 1.0}]},
        {"albumentations": [{"name": "Affine", "translate_px": 1, "p": 1.0}]},
        {"transform": v2.RandomVerticalFlip(p=1.0)},
        {"transform": v2.RandomCrop((20, 20))},
    ],
    ids=["flip", "shift by a pixel", "flip by torchvision", "crop"],
)
def test_augmentations_of_ones_own_move_no_pixel(own: dict[str, Any]) -> None:
    option = next(iter(own))
    if option == "albumentations":
        pytest.importorskip("albumentations")
    transform = DenseTrainTransform(DenseAugment(**own))
    with refuses(ConfigError, f"augment.{option} moved", "augment.hflip, rotation, scale and crop"):
        transform.change(*ramps(300, 40))
