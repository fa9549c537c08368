"""Which scenes a composed dataset has."""

import numpy as np
from helpers.refusals import refuses

from vision.data.synthetic.cityscapes import CityscapesSamples
from vision.data.synthetic.splits import SceneSamples, compose_split, split_glyphs
from vision.errors import ConfigError


def test_training_and_validation_are_made_of_different_digits() -> None:
    train, val = (set(split_glyphs(split).tolist()) for split in ("train", "val"))
    assert not train & val
    assert len(train | val) == 1797
    assert set(split_glyphs("test").tolist()) == val
    # The scenes take their digits by index only from these; tests/data/synthetic/test_coco.py
    # composes the scenes again from them.


def test_a_scene_depends_on_seed_split_and_place_alone() -> None:
    few, many = SceneSamples(train=2, val=2, seed=3), SceneSamples(train=3, val=2, seed=3)
    first, again = (list(compose_split(samples, "train")) for samples in (few, many))
    assert [one.place for one in again] == [0, 1, 2]
    for one, other in zip(first, again, strict=False):
        assert np.array_equal(one.scene.image, other.scene.image)
        # What is drawn from there on is the same too.
        assert one.rng.random() == other.rng.random()
    others = [
        next(compose_split(few, "val")),
        next(compose_split(SceneSamples(train=1, seed=4), "train")),
    ]
    for one in others:
        assert one.scene.image.tobytes() != first[0].scene.image.tobytes()


def test_all_scenes_of_a_set_with_an_aspect_have_one_shape() -> None:
    scenes = [one.scene for one in compose_split(CityscapesSamples(train=5, size=170), "train")]
    assert {scene.image.shape for scene in scenes} == {(85, 170, 3)}


def test_options_are_checked() -> None:
    with refuses(ConfigError, "val=-1", "negative"):
        SceneSamples(val=-1)
    with refuses(ConfigError, "size=32", "96"):
        SceneSamples(size=32)
    with refuses(ConfigError, "size=128", "160"):
        CityscapesSamples(size=128)
