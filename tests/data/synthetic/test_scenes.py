"""Composed scenes: what is visible, what is hidden, and from what they are made."""

import numpy as np
import pytest
from helpers.refusals import refuses

from vision.data.formats.digits import load_digits
from vision.data.synthetic.scenes import MAX_DIGITS, MIN_VISIBLE, Glyphs, Scene, compose_scene
from vision.errors import ConfigError


@pytest.fixture(scope="module")
def glyphs() -> Glyphs:
    images, labels = load_digits(64)
    return Glyphs.of(images[:300].numpy(), labels[:300].numpy())


@pytest.fixture(scope="module")
def scenes(glyphs: Glyphs) -> list[Scene]:
    return [compose_scene(np.random.default_rng([0, i]), glyphs) for i in range(120)]


def test_equal_generators_make_equal_scenes(glyphs: Glyphs, scenes: list[Scene]) -> None:
    for seed in range(5):
        again = compose_scene(np.random.default_rng([0, seed]), glyphs)
        assert np.array_equal(again.image, scenes[seed].image)
    assert not np.array_equal(scenes[0].image[:90, :90], scenes[1].image[:90, :90])


def test_sizes_vary(scenes: list[Scene]) -> None:
    shapes = np.array([scene.image.shape for scene in scenes])
    assert (shapes[:, :2].max(axis=1) == 128).all()
    assert shapes[:, :2].min() >= 102
    assert (shapes[:, 0] < shapes[:, 1]).any()
    assert (shapes[:, 0] > shapes[:, 1]).any()


def test_there_are_empty_scenes_crowds_and_overlaps(scenes: list[Scene]) -> None:
    counts = [sum(not item.crowd for item in scene.objects) for scene in scenes]
    assert min(counts) == 0
    assert max(counts) == MAX_DIGITS
    items = [item for scene in scenes for item in scene.objects]
    assert 5 < sum(item.crowd for item in items) < 30
    assert 0.1 < np.mean([item.visible < 1 for item in items]) < 0.6
    assert {item.label for item in items} == set(range(10))


def test_no_pixel_belongs_to_two_objects_and_enough_of_each_is_visible(
    scenes: list[Scene],
) -> None:
    for scene in scenes:
        if scene.objects:
            assert np.sum([item.mask for item in scene.objects], axis=0).max() <= 1
        for item in scene.objects:
            assert item.mask.shape == scene.image.shape[:2]
            assert MIN_VISIBLE <= item.visible <= 1
            assert item.visible == item.mask.sum() / item.whole.sum()


def test_what_is_hidden_lies_below_later_objects(scenes: list[Scene]) -> None:
    for scene in scenes:
        above = np.zeros(scene.image.shape[:2], bool)
        for item in reversed(scene.objects):
            assert np.array_equal(item.mask, item.whole & ~above)
            above |= item.whole


def test_backgrounds_are_of_all_kinds(scenes: list[Scene]) -> None:
    assert {scene.texture for scene in scenes} == set(range(4))


def test_digits_are_tall_enough_and_of_the_class_they_are_said_to_be(
    glyphs: Glyphs, scenes: list[Scene]
) -> None:
    for item in (item for scene in scenes for item in scene.objects):
        assert {int(glyphs.labels[index]) for index in item.glyphs} == {item.label}
        assert (len(item.glyphs) > 1) == item.crowd
        height = np.ptp(np.flatnonzero(item.mask.any(axis=1))) + 1
        if item.visible == 1 and not item.crowd:
            assert 20 <= height <= 64


def test_digits_stand_out_from_what_is_around_them(scenes: list[Scene]) -> None:
    differences = []
    for scene in scenes:
        for item in scene.objects:
            if item.visible < 1:
                continue
            light = scene.image.astype(float).mean(axis=2)
            inner = item.mask.copy()
            for axis in (0, 1):  # the border, within two pixels
                for shift in (-2, 2):
                    inner &= np.roll(item.mask, shift, axis=axis)
            differences.append(light[item.mask & ~inner].mean() - light[~item.mask].mean())
    assert np.percentile(np.abs(differences), 5) > 20


def test_a_scene_too_small_for_digits_is_refused(glyphs: Glyphs) -> None:
    with refuses(ConfigError, "size=64", "96"):
        compose_scene(np.random.default_rng(0), glyphs, size=64)
    with refuses(ConfigError, "128 x 64", "height"):
        compose_scene(np.random.default_rng(0), glyphs, size=128, aspect=2.0)
    with pytest.raises(ConfigError, match="at most the width"):
        compose_scene(np.random.default_rng(0), glyphs, size=128, aspect=0.5)


def test_an_aspect_fixes_the_shape(glyphs: Glyphs) -> None:
    for seed in range(5):
        scene = compose_scene(np.random.default_rng(seed), glyphs, size=192, aspect=2.0)
        assert scene.image.shape == (96, 192, 3)
