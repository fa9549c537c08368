from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_segments import CLASSES, paint, scene, write_panoptic

from vision.data import COCOPanoptic, from_dataset
from vision.data.adapters.panoptic import PanopticPairs, to_segments
from vision.data.loading.sampling import SeededSamples
from vision.data.transforms.panoptic_options import PanopticAugment
from vision.errors import ConfigError, DataError

OPTIONS: dict[str, Any] = {
    "augment": PanopticAugment(crop=(44, 60)),
    "long_side": 28,
    "canvas": (30, 30),
    "num_workers": 0,
}


def pair(number: int) -> tuple[np.ndarray, dict[str, Any]]:
    ids, segments = scene(number)
    rows = zip(*(part.tolist() for part in segments), strict=True)
    infos = [{"id": one, "category_id": label, "iscrowd": crowd} for one, label, crowd in rows]
    return paint(ids, segments), {"mask": torch.from_numpy(ids), "segments": infos}


def make(**options: Any) -> Any:
    train, val = [pair(3 + 7 * i) for i in range(4)], [pair(103), pair(110)]
    given = {"classes": CLASSES, "things": [0, 1], **OPTIONS, **options}
    return from_dataset(train, val, **given)


def test_samples_are_those_of_files(tmp_path: Path) -> None:
    pairs = make()
    assert isinstance(pairs, PanopticPairs)
    files = COCOPanoptic(root=write_panoptic(tmp_path), cache_dir="", **OPTIONS)
    for data in (pairs, files):
        data.setup("fit")
        data.setup("predict")
    assert (pairs.class_names, pairs.things) == (files.class_names, files.things)
    for part, seed in (("val", None), ("train", 5), ("predict", None)):
        own, theirs = (getattr(data, f"{part}_dataset") for data in (pairs, files))
        for place in range(len(theirs)):
            one, other = (
                d[place] if seed is None else SeededSamples(d, seed=seed)[(2, place)]
                for d in (own, theirs)
            )
            assert {*one} == {*other}
            for key in {*one} - {"path", "index"}:
                if isinstance(one[key], torch.Tensor):
                    assert torch.equal(one[key], other[key]), key
                else:
                    assert one[key] == other[key], key
    assert torch.equal(pairs.val_dataset.example(1)[1], files.val_dataset.example(1)[1])
    assert pairs.summary()["train"] == {"images": 4}
    assert [*pairs.problems()] == []


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (lambda target: target.pop("segments"), ("dict with 'mask'", "'category_id'")),
        (lambda target: target["segments"].pop(), ("segments_info", "does not list")),
        (lambda target: target.update(mask=target["mask"] * 1.5), ("float", "whole numbers")),
        (lambda target: target.update(mask=target["mask"] - 1), ("ids from -1",)),
        (lambda target: target.update(segments=3), ("3 for segments",)),
        (lambda target: target["segments"][0].update(category_id=4), ("label 4", "0 to 3")),
        (lambda target: target["segments"][0].update(iscrowd=2), ("'iscrowd' is 2",)),
        (lambda target: target["segments"][0].update(id="x"), ("'id' is 'x'",)),
        (lambda target: target["segments"].append(target["segments"][0]), ("2 entries",)),
    ],
)
def test_wrong_targets_are_told_with_their_sample(change: Any, parts: tuple[str, ...]) -> None:
    _, target = pair(3)
    change(target)
    with refuses(DataError, "sample 5", *parts):
        to_segments(target, 4, "sample 5 of the training set")


def test_mask_and_image_have_one_size_and_things_are_classes() -> None:
    image, target = pair(3)
    data = from_dataset([(image[1:], target)], [pair(3)], classes=CLASSES, things=[0], **OPTIONS)
    data.setup("fit")
    with refuses(DataError, "sample 0 of the training set", "40 x 56", "39 x 56"):
        data.train_dataset[0]
    with refuses(ConfigError, "things=[0, 4]", "4 is not", "0 to 3"):
        make(things=[0, 4])
    with refuses(ConfigError, "things=[...]", "stuff"):
        make(things=None)
