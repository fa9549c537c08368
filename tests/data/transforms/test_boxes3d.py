"""What is learned of an image: as published, or with a camera that follows the augmentation."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from helpers.pictures import texture
from helpers.properties import examples
from helpers.refusals import refuses
from helpers.tiny_kitti import P2
from hypothesis import given
from hypothesis import strategies as st
from torchvision.transforms import v2

from vision.data.index.boxes3d import SceneObjects
from vision.data.transforms.boxes3d import (
    Boxes3DEvalTransform,
    Boxes3DTrainTransform,
    TransformedScene,
    sample_view,
)
from vision.data.transforms.boxes3d_options import Boxes3DAugment, LearnedObjects
from vision.data.transforms.boxes3d_targets import learned_objects
from vision.data.transforms.boxes3d_views import ImageView
from vision.data.transforms.rng import SampleRng
from vision.errors import ConfigError
from vision.heads.detection3d.decoding import Chosen, decode
from vision.losses.monodetr import encode_angle
from vision.ops.box_projection import project_boxes
from vision.ops.camera_views import camera_views

SIZE, INPUT = (75, 248), (64, 208)
CAMERA = P2 * [[2], [2], [1]]
IMAGE = torch.from_numpy(texture(*SIZE, seed=0)).permute(2, 0, 1)
ANY = LearnedObjects(depth=(2, 100), min_height=0, max_truncation=1, max_occlusion=3)
BINS = 12


def scene(seed: int, count: int = 6) -> SceneObjects:
    """Objects whose 2-D boxes enclose what the camera sees of them, by some pixels more."""
    rng = np.random.default_rng(seed)
    boxes3d = np.concatenate(
        [
            rng.uniform([-4, -0.5, 8], [4, 0.8, 40], (count, 3)),
            rng.uniform([3, 1.4, 1.4], [4.5, 1.9, 1.9], (count, 3)),
            rng.uniform(-4, 4, (count, 1)),
        ],
        axis=1,
    )
    boxes, _ = project_boxes(torch.from_numpy(boxes3d), torch.from_numpy(CAMERA))
    return SceneObjects(
        boxes3d=boxes3d,
        boxes=boxes.numpy() + rng.uniform(0, 2, (count, 4)) * [-1, -1, 1, 1],
        labels=rng.integers(0, 3, count),
        truncation=np.zeros(count),
        occlusion=np.zeros(count, dtype=np.int64),
    )


def change(
    seed: int, objects: SceneObjects, **augment: Any
) -> tuple[TransformedScene, ImageView, SceneObjects]:
    """A transformed scene, where its input lies, and the objects that have to be learned."""
    options = Boxes3DAugment(photometric=False, **augment)
    torch.manual_seed(seed)
    made = Boxes3DTrainTransform(options, image_size=INPUT, objects=ANY).change(
        IMAGE, CAMERA, objects
    )
    torch.manual_seed(seed)
    view = sample_view(SIZE, INPUT, options, SampleRng())
    centres = objects.boxes3d[:, :3] @ CAMERA[:, :3].T + CAMERA[:, 3]
    # By the third row, which differs by less than a pixel from what is learned.
    x, y = view.points(centres[:, :2] / centres[:, 2:]).T
    inside = (x > 0.5) & (x < INPUT[1] - 0.5) & (y > 0.5) & (y < INPUT[0] - 0.5)
    return made, view, objects.take(inside)


def decoded(made: TransformedScene, *, exact_rows: bool) -> dict[str, np.ndarray]:
    """What the head makes of perfect predictions."""
    target = made.target
    assert target is not None
    index, rest = encode_angle(target["alpha"].double(), BINS)
    angles = torch.zeros(len(index), 2 * BINS, dtype=torch.float64)
    rows = torch.arange(len(index))
    angles[rows, index] = 1
    angles[rows, BINS + index] = rest
    chosen = Chosen(
        scores=torch.ones(1, len(index)),
        labels=target["labels"][None],
        boxes=target["boxes"][None].double(),
        sizes=target["sizes"][None].double(),
        depth=target["depth_m"][None].double(),
        log_scale=torch.zeros(1, len(index)),
        angles=angles[None],
    )
    views = camera_views(
        torch.from_numpy(made.camera)[None],
        torch.tensor([made.camera_size]),
        torch.tensor([INPUT]) if exact_rows else None,
    )
    found = decode(chosen, views, torch.zeros(3, 3, dtype=torch.float64), 0.5)
    return {key: found[key][0].numpy() for key in ("boxes3d", "boxes", "alpha")}


def same_boxes(found: np.ndarray, expected: np.ndarray) -> None:
    """Boxes are equal to millimetres; the third row of the camera is left out where they learn."""
    np.testing.assert_allclose(found[:, :6], expected[:, :6], atol=8e-3)
    turn = found[:, 6] - expected[:, 6]
    np.testing.assert_allclose(np.cos(turn), 1, atol=1e-6)
    np.testing.assert_allclose(np.sin(turn), 0, atol=1e-4)


@given(seed=st.integers(0, 10**6), flip=st.booleans())
@examples(40)
def test_in_consistent_geometry_everything_is_that_of_the_input(seed: int, flip: bool) -> None:
    objects = scene(seed)
    made, view, kept = change(
        seed, objects, geometry="consistent", hflip=float(flip), crop=1.0, crop_shift=0.03
    )
    assert view.flip is flip
    assert made.camera_size == INPUT == tuple(made.image.shape[1:])
    found = decoded(made, exact_rows=True)
    same_boxes(found["boxes3d"], view.boxes3d(kept.boxes3d))
    np.testing.assert_allclose(found["boxes"], view.boxes(kept.boxes), atol=1e-3)
    np.testing.assert_allclose(made.target["labels"], kept.labels)  # type: ignore[index]


@given(seed=st.integers(0, 10**6), flip=st.booleans())
@examples(20)
def test_published_geometry_differs_as_documented(seed: int, flip: bool) -> None:
    objects = scene(seed)
    made, view, kept = change(seed, objects, hflip=float(flip), crop=1.0, crop_shift=0.03)
    target = made.target
    assert target is not None
    assert np.array_equal(made.camera, CAMERA)
    assert made.camera_size == SIZE
    # Depth is multiplied by the scale of the crop; the true one is not.
    expected = kept.boxes3d[:, 2] * view.crop_scale
    np.testing.assert_allclose(target["depth_m"], expected, rtol=1e-6)
    for i, (box3d, box) in enumerate(zip(kept.boxes3d, kept.boxes, strict=True)):
        x1, _, x2, _ = box
        yaw, middle = box3d[6], (x1 + x2) / 2
        if flip:
            yaw, middle = math.pi - yaw, SIZE[1] - middle
        alpha = yaw - math.atan2(middle - CAMERA[0, 2], CAMERA[0, 0])
        assert math.cos(float(target["alpha"][i]) - alpha) == pytest.approx(1, abs=1e-6)
    # What lies in the image follows its pixels in both.
    other, _, _ = change(
        seed, objects, geometry="consistent", hflip=float(flip), crop=1.0, crop_shift=0.03
    )
    assert torch.equal(made.image, other.image)
    for key in ("labels", "boxes", "boxes2d", "sizes"):
        assert torch.equal(target[key], other.target[key])  # type: ignore[literal-required, index]


@pytest.mark.parametrize("geometry", ["published", "consistent"])
def test_without_augmentation_both_are_true(geometry: str) -> None:
    made, _, kept = change(0, scene(3, 12), geometry=geometry, hflip=0, crop=0)
    assert len(kept.labels) > 3
    same_boxes(decoded(made, exact_rows=True)["boxes3d"], kept.boxes3d)


def test_a_target_by_hand() -> None:
    """An image of 100 x 50 pixels at twice its size, of which the lower and upper row are cut."""
    camera = np.array([[100.0, 0, 50, 0], [0, 100, 25, 0], [0, 0, 1, 0]])
    objects = SceneObjects(
        # One pixel right of the middle at 10 m is 0.1 m.
        boxes3d=np.array([[1.0, 0.5, 10, 4, 1.5, 1.6, 0.3]]),
        boxes=np.array([[54.0, 22, 68, 36]]),
        labels=np.array([2]),
        truncation=np.zeros(1),
        occlusion=np.zeros(1, dtype=np.int64),
    )
    transform = Boxes3DTrainTransform(
        Boxes3DAugment(hflip=0, crop=0), image_size=(96, 200), objects=ANY
    )
    made = transform.change(torch.zeros(3, 50, 100, dtype=torch.uint8), camera, objects)
    expected = {
        "labels": [2],
        # Column 60 and row 30 of the image are 120 and 58 of the input.
        "boxes": [[120 / 200, 58 / 96, 12 / 200, 16 / 200, 16 / 96, 12 / 96]],
        "boxes2d": [[108 / 200, 42 / 96, 136 / 200, 70 / 96]],
        "sizes": [[1.5, 1.6, 4]],
        "depth_m": [10],
        "alpha": [0.3 - math.atan(0.11)],
    }
    assert made.target is not None
    assert {*made.target} == {*expected}
    for key, value in expected.items():
        np.testing.assert_allclose(made.target[key], value, rtol=1e-6)  # type: ignore[literal-required]


@pytest.mark.parametrize(
    ("column", "changed", "learned"),
    [
        ("boxes3d", [0, 0, 1.99, 4, 1.5, 1.6, 0], False),
        ("boxes3d", [0, 0, 2.0, 4, 1.5, 1.6, 0], True),
        ("boxes3d", [0, 0, 65.1, 4, 1.5, 1.6, 0], False),
        ("boxes", [10, 10, 40, 33.9], False),
        ("boxes", [10, 10, 40, 34], True),
        ("truncation", 0.51, False),
        ("truncation", 0.5, True),
        ("occlusion", 2, True),
        ("occlusion", 3, False),
        ("labels", -1, False),
    ],
)
def test_which_objects_are_learned(column: str, changed: Any, learned: bool) -> None:
    objects = SceneObjects(
        boxes3d=np.tile([0.0, 0, 20, 4, 1.5, 1.6, 0], (3, 1)),
        boxes=np.tile([10.0, 10, 60, 60], (3, 1)),
        labels=np.zeros(3, dtype=np.int64),
        truncation=np.zeros(3),
        occlusion=np.zeros(3, dtype=np.int64),
    )
    getattr(objects, column)[1] = changed
    assert learned_objects(objects, LearnedObjects()).tolist() == [True, learned, True]
    first = LearnedObjects(max_lines=2)
    assert learned_objects(objects, first).tolist() == [True, learned, False]


def test_objects_must_show_their_centre() -> None:
    """Beside the input, and outside of its own 2-D box, an object is not learned."""
    objects = scene(1, 3)
    objects.boxes3d[:] = [[0, 0, 20, 4, 1.5, 1.6, 0]]
    boxes, _ = project_boxes(torch.from_numpy(objects.boxes3d), torch.from_numpy(CAMERA))
    objects.boxes[:] = boxes.numpy()
    objects.boxes3d[1, 0] = 30.0
    objects.boxes[1] += [210, 0, 210, 0]
    objects.boxes[2, 2] = objects.boxes[2, 0] + 1
    made, _, _ = change(0, objects, hflip=0, crop=0)
    assert made.target is not None
    assert made.target["labels"].tolist() == [objects.labels[0]]


def test_evaluation_shows_the_whole_image() -> None:
    transform = Boxes3DEvalTransform(image_size=INPUT)
    made = transform.change(IMAGE, CAMERA)
    assert made.target is None
    assert made.image.shape == (3, *INPUT)
    assert np.array_equal(made.camera, CAMERA)
    assert made.camera_size == SIZE
    assert Boxes3DEvalTransform(**transform.options).options == transform.options


def test_colours_and_crops_are_drawn_as_published() -> None:
    colours = Boxes3DTrainTransform(Boxes3DAugment(hflip=0, crop=0), image_size=(96, 208))
    plain = Boxes3DEvalTransform(image_size=(96, 208)).change(IMAGE, CAMERA).image
    torch.manual_seed(0)
    made = [colours.change(IMAGE, CAMERA, None) for _ in range(8)]
    assert all(one.target is None for one in made)
    assert sum(not torch.equal(one.image, plain) for one in made) >= 6
    # Colours come before the padding, which stays black.
    assert not any(one.image[:, :10].any() for one in made)
    rng, augment = SampleRng(), Boxes3DAugment()
    views = [sample_view((375, 1242), (384, 1280), augment, rng) for _ in range(2000)]
    scales = np.array([view.crop_scale for view in views])
    shifts = np.array([view.shift for view in views])
    assert (np.abs(scales - 1) <= 0.05 + 1e-12).all()
    assert (np.abs(shifts) <= 0.1 + 1e-12).all()
    cropped = (shifts != 0).any(axis=1)
    assert abs(cropped.mean() - 0.5) < 0.04
    assert abs(np.mean([view.flip for view in views]) - 0.5) < 0.04
    # Beyond one deviation on either side a scale is cut, 16 % each; a shift beyond two, 2.3 %.
    assert abs((scales[cropped] > 1.0499).mean() - 0.159) < 0.04
    assert abs((shifts[cropped, 1] > 0.0999).mean() - 0.023) < 0.02


def invert(image: torch.Tensor) -> torch.Tensor:
    return 255 - image


def test_augmentations_of_ones_own_may_not_move_pixels() -> None:
    plain, _, _ = change(0, scene(0), hflip=0, crop=0)
    own, _, _ = change(0, scene(0), hflip=0, crop=0, transform=invert)
    assert torch.equal(own.image, 255 - plain.image)
    with refuses(ConfigError, "augment.transform moved", "camera and its boxes", "augment.hflip"):
        change(0, scene(0), transform=v2.RandomHorizontalFlip(p=1.0))


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"geometry": "official"}, "geometry='official'"),
        ({"hflip": 2}, "hflip=2"),
        ({"crop": -1}, "crop=-1"),
        ({"crop_scale": 0.9}, "crop_scale=0.9"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], part: str) -> None:
    with refuses(ConfigError, part):
        Boxes3DAugment(**options)


def test_wrong_sizes_and_limits_are_named() -> None:
    with refuses(ConfigError, "image_size=(0, 4)"):
        Boxes3DEvalTransform(image_size=(0, 4))
    with refuses(ConfigError, "depth=(0, 4)"):
        LearnedObjects(depth=(0, 4))
