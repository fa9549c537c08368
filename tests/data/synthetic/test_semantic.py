"""Semantic masks of scenes, against the masks of their objects."""

import numpy as np
import pytest

from vision.data.synthetic.scenes import WORDS
from vision.data.synthetic.semantic import (
    CLASSES,
    SEAM,
    SHARE_PATCHED,
    UNLABELLED,
    class_map,
    grow,
    leave_unlabelled,
    unlabelled_region,
)
from vision.data.synthetic.splits import ComposedScene, SceneSamples, compose_split
from vision.data.synthetic.textures import TEXTURES, make_texture


@pytest.fixture(scope="module")
def composed() -> list[ComposedScene]:
    return list(compose_split(SceneSamples(train=60, seed=2), "train"))


def test_the_pixels_of_a_digit_are_those_of_its_objects_and_all_others_of_the_background(
    composed: list[ComposedScene],
) -> None:
    for _, scene, _ in composed:
        labels = class_map(scene)
        assert labels.dtype == np.uint8
        assert labels.shape == scene.image.shape[:2]
        for label in range(10):
            masks = [item.mask for item in scene.objects if item.label == label]
            expected = np.any(masks, axis=0) if masks else np.zeros(labels.shape, bool)
            assert np.array_equal(labels == label, expected)
        kind = TEXTURES[scene.texture]
        background = CLASSES.index(kind if kind in CLASSES else "smooth")
        assert {*np.unique(labels)} - {*range(10)} <= {background}
    assert list(CLASSES) == [*WORDS, "smooth", "stripes", "checks"]


def test_the_kind_of_the_background_is_the_one_that_was_drawn() -> None:
    found = set()
    for seed in range(20):
        image, kind = make_texture(np.random.default_rng(seed), 48, 48)
        light = image.mean(axis=2).ravel()
        # Only a gradient is a plane, but for the grain of each pixel.
        rows, columns = np.indices((48, 48))
        plane = np.stack([np.ones(light.size), rows.ravel(), columns.ravel()], axis=1)
        rest = light - plane @ np.linalg.lstsq(plane, light, rcond=None)[0]
        flat = rest.std() < 4.5
        assert flat or TEXTURES[kind] != "gradient"
        found.add((TEXTURES[kind], bool(flat)))
    assert {("gradient", True), ("checks", False), ("stripes", False), ("noise", False)} <= found


def test_a_few_pixels_of_the_background_have_no_class_and_no_others(
    composed: list[ComposedScene],
) -> None:
    patched = crowds = 0
    for _, scene, rng in composed:
        labels = class_map(scene)
        region = unlabelled_region(scene, rng)
        found = leave_unlabelled(labels, region)
        empty = found == UNLABELLED
        assert np.array_equal(empty, region & (labels >= 10))
        assert np.array_equal(found[~empty], labels[~empty])
        assert empty.mean() < 0.3
        seam = np.zeros(region.shape, bool)
        for item in scene.objects:
            if item.crowd:
                seam |= grow(item.whole, SEAM)
        assert (region | ~seam).all()
        crowds += int(seam.any())
        patched += int((region & ~seam).any())
    assert crowds > 0
    assert 0 < patched < 3 * SHARE_PATCHED * len(composed)


def test_growth_is_that_of_a_square() -> None:
    mask = np.zeros((9, 9), bool)
    mask[4, 4] = True
    expected = np.zeros((9, 9), bool)
    expected[2:7, 2:7] = True
    assert np.array_equal(grow(mask, 2), expected)
