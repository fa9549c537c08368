"""Pictures of predicted masks: which images are chosen, and what is held of them."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.tiny_label_maps import SceneData, Scenes, SceneTask
from helpers.tiny_task import TinyData, quiet_trainer, tiny_task
from PIL import Image

from vision.callbacks.results import segmentation_pictures
from vision.callbacks.results.examples import Scored, choose_images
from vision.callbacks.results.segmentation_pictures import (
    SegmentationPictures,
    image_iou,
    score_image,
)
from vision.contracts.segmentation import IGNORED

NAMES = [f"{number}.png" for number in range(9)]
RIGHTS = [0.5, 1.0, 0.0, 0.6, 0.4, 0.9, 0.1, 0.55, 0.45]


def scored(ious: list[float]) -> list[Scored]:
    return [Scored(place, iou, 2, f"{place}.png") for place, iou in enumerate(ious)]


def test_validate_draws_the_best_the_worst_and_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    titles: list[str] = []
    draw = segmentation_pictures.draw_examples

    def spy(examples: Any, names: Any, palette: Any) -> Any:
        held = list(examples)
        titles.extend(example.title for example in held)
        return draw(held, names, palette)

    monkeypatch.setattr(segmentation_pictures, "draw_examples", spy)
    scenes = Scenes(tmp_path / "images", NAMES)
    callback = SegmentationPictures(tmp_path / "new", examples=2)
    trainer = quiet_trainer(tmp_path, callbacks=[callback])
    trainer.validate(SceneTask(RIGHTS), SceneData(scenes), verbose=False)
    assert scenes.asked[:4] == [1, 5, 2, 6]
    assert len(set(scenes.asked)) == 6
    assert [title.split(" · ")[0] for title in titles] == [
        f"{kind} {number}" for kind in ("best", "worst", "random") for number in (1, 2)
    ]
    assert titles[0] == "best 1 · mIoU 1.00 · 1.png"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["examples.png"]
    with Image.open(tmp_path / "new" / "examples.png") as picture:
        assert min(picture.size) > 400
        assert np.asarray(picture.convert("RGB")).std() > 20


def test_training_draws_its_best_epoch(tmp_path: Path) -> None:
    scenes = Scenes(tmp_path / "images", NAMES)
    trainer = quiet_trainer(
        tmp_path,
        callbacks=[SegmentationPictures(tmp_path / "new", examples=1)],
        max_epochs=3,
        num_sanity_val_steps=2,
    )
    trainer.fit(SceneTask(RIGHTS, values=(0.2, 0.2, 0.1)), SceneData(scenes))
    assert len(scenes.asked) == 3
    assert (tmp_path / "new" / "examples.png").exists()


@pytest.mark.parametrize("case", ["another task", "no examples", "no images"])
def test_nothing_is_drawn_where_there_is_nothing(tmp_path: Path, case: str) -> None:
    trainer = quiet_trainer(
        tmp_path,
        callbacks=[SegmentationPictures(tmp_path / "new")],
        limit_val_batches=0 if case == "no images" else 1.0,
    )
    if case == "another task":
        trainer.validate(tiny_task(), TinyData(val=4), verbose=False)
    else:
        scenes = Scenes(tmp_path / "images", NAMES[:2])
        data = SceneData(scenes)
        if case == "no examples":
            data.val_dataset.example = None  # type: ignore[method-assign, assignment]
            data.val_dataset = type("Bare", (), {"batches": scenes.batches})()
        trainer.validate(SceneTask(RIGHTS), data, verbose=False)
    assert not (tmp_path / "new").exists()


def test_the_iou_of_an_image_is_that_of_its_classes() -> None:
    target = torch.tensor([[0, 0, 1, 1], [0, 0, IGNORED, IGNORED]])
    predicted = torch.tensor([[0, 0, 1, 2], [0, 1, 7, 8]])
    # Class 0: 3 of 4; class 1: 1 of 3; class 2: 0 of 1; what is ignored does not count.
    assert image_iou(predicted, target) == pytest.approx((3 / 4 + 1 / 3 + 0) / 3)
    assert image_iou(target.clamp(max=1), target) == 1.0
    assert math.isnan(image_iou(predicted, torch.full_like(target, IGNORED)))


def test_a_scene_of_one_class_has_no_objects() -> None:
    target = torch.tensor([[0, 0, 1, 2], [0, 0, IGNORED, IGNORED]])
    found = score_image(target.clamp(max=2), target, place=3, name="a.png")
    assert found == Scored(3, 1.0, 2, "a.png")
    one = torch.where(target == IGNORED, target, 0)
    assert score_image(target.clamp(max=2), one).objects == 0
    assert score_image(target.clamp(max=2), torch.full_like(one, IGNORED)).objects == 0


def test_images_are_chosen_once() -> None:
    images = scored([0.5] * 20 + [1.0, 1.0, 0.0])
    chosen = choose_images(images, 2)
    assert [image.place for image in chosen["best"]] == [20, 21]
    assert [image.place for image in chosen["worst"]] == [22, 0]
    assert len(chosen["random"]) == 2
    assert chosen == choose_images(images[::-1], 2)
    few = choose_images(images[:4], 4)
    assert sorted(image.place for kind in few.values() for image in kind) == [0, 1, 2, 3]
    assert not any(choose_images([], 4).values())
