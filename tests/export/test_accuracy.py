"""The metrics of exported models against values worked by hand and the task's own evaluator."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.tiny_coco import write_tiny_coco
from helpers.tiny_detection import tiny_detector
from torch import Tensor

from vision.data.datasets.coco import COCO
from vision.errors import DataError
from vision.export.accuracy import alike, measure_accuracy
from vision.export.classification_score import TopOne
from vision.export.detection_score import average_precision
from vision.export.normals_score import MeanAngle
from vision.export.score import Score
from vision.export.segmentation_score import MeanIoU
from vision.metrics.segmentation import SegmentationEvaluator


def classified(labels: list[int], count: int = 4) -> dict[str, Any]:
    images = torch.zeros(count, 3, 2, 2, dtype=torch.uint8)
    # The first pixel says what the models below find.
    images[:, 0, 0, 0] = torch.arange(count)
    return {"image": images, "label": torch.tensor(labels)}


def exact(images: Tensor) -> dict[str, Tensor]:
    return {"scores": torch.eye(5)[images[:, 0, 0, 0].long()]}


def constant(images: Tensor) -> dict[str, Tensor]:
    return {"scores": torch.eye(5)[torch.ones(len(images), dtype=torch.long)]}


def test_top1_of_two_models_on_the_same_images() -> None:
    batches = [classified([0, 1, 2, 3]), classified([0, 1, 1, 4])]
    runs = {"float": exact, "int8": constant}
    found, images = measure_accuracy(runs, batches, score=partial(TopOne, None, None))
    assert (found, images) == ({"float": 6 / 8, "int8": 3 / 8}, 8)
    found, images = measure_accuracy(runs, batches, score=partial(TopOne, None, None), limit=6)
    assert (found, images) == ({"float": 1.0, "int8": 2 / 6}, 6)
    found, images = measure_accuracy(runs, batches, score=partial(TopOne, None, None), limit=4)
    assert images == 4
    with pytest.raises(DataError, match="no images"):
        measure_accuracy(runs, [], score=partial(TopOne, None, None))


def test_a_drop_is_what_becomes_worse() -> None:
    top1, angle = TopOne(None, None), MeanAngle()
    assert top1.drop(0.75, 0.5) == 0.25
    assert angle.drop(12.0, 12.5) == 0.5
    assert (angle.unit, angle.max_drop, top1.unit) == ("degrees", 0.5, "")


def segmented() -> dict[str, Any]:
    """Two images of unlike sizes; the file of the second is twice as large."""
    generator = torch.Generator().manual_seed(0)
    return {
        "image": torch.randint(0, 3, (2, 3, 8, 12), dtype=torch.uint8, generator=generator),
        "size": torch.tensor([[8, 12], [6, 8]]),
        "original_size": torch.tensor([[8, 12], [12, 16]]),
        "mask": torch.randint(0, 3, (2, 12, 16), generator=generator),
        "path": ["a.png", "b.png"],
    }


def test_miou_is_that_of_the_evaluator_in_the_pixels_of_the_files() -> None:
    seen = []

    def run(images: Tensor) -> dict[str, Tensor]:
        seen.append(tuple(images.shape))
        return {"labels": images[:, 0].long()}

    batch = segmented()
    found, images = measure_accuracy({"float": run}, [batch], score=partial(MeanIoU, 3))
    assert seen == [(1, 3, 8, 12), (1, 3, 6, 8)]
    expected = SegmentationEvaluator(3)
    labels = batch["image"][:, 0]
    expected.update(labels[0], batch["mask"][0, :8, :12])
    twice = labels[1, :6, :8].repeat_interleave(2, 0).repeat_interleave(2, 1)
    expected.update(twice, batch["mask"][1])
    assert images == 2
    assert found["float"] == pytest.approx(expected.compute().mIoU, abs=1e-12)


def test_alike_keeps_images_and_what_belongs_to_them_together() -> None:
    batch = {**segmented(), "size": torch.tensor([[6, 8], [6, 8]])}
    (part,) = alike(batch)
    assert part["image"].shape == (2, 3, 6, 8)
    assert part["path"] == ["a.png", "b.png"]
    assert [part["path"] for part in alike(segmented())] == [["a.png"], ["b.png"]]


def test_average_precision_is_that_of_the_files(tmp_path: Path) -> None:
    """The annotations on a canvas: of all objects, or without one class."""
    write_tiny_coco(tmp_path, images=4)
    data = COCO(root=str(tmp_path), cache_dir=None, short_side=64, long_side=96, num_workers=0)
    data.setup("validate")
    task = tiny_detector("convnext", "mask_rcnn")
    batches = [data.collate([data.val_dataset[i]]) for i in range(4)]
    targets = {int(batch["image_id"]): batch["target"][0] for batch in batches}

    def answer(batch: dict[str, Any], labels: tuple[int, ...]) -> dict[str, Tensor]:
        target = targets[int(batch["image_id"])]
        kept = ~target["iscrowd"] & torch.isin(target["labels"], torch.tensor(labels))
        boxes = target["boxes"][kept]
        return {
            "boxes": boxes[None],
            "labels": target["labels"][kept][None],
            "scores": torch.full((1, len(boxes)), 0.9),
            "count": torch.tensor([len(boxes)]),
            # Masks fill their boxes: they overlap the annotated ellipses by about pi / 4.
            "masks": torch.ones(1, len(boxes), 28, 28),
        }

    def measure(labels: tuple[int, ...]) -> tuple[Score, dict[str, float]]:
        score = average_precision(task, data)
        for batch in batches:
            score.update(answer(batch, labels), batch)
        assert score.images == 4
        value = score.value()
        return score, {
            score.metric: value,
            **score.evaluator.compute(
                data.ground_truth("val"), category_ids=data.category_ids
            ).scalars(),
        }

    score, values = measure((0, 1, 2))
    assert score.metric == "mask_AP"
    assert values["box_AP"] > 0.95
    assert 0.3 < values["mask_AP"] < 0.8
    fewer = measure((0, 1))[1]
    assert fewer["box_AP"] == pytest.approx(values["box_AP"] * 2 / 3, abs=0.02)
    boxes_alone = average_precision(tiny_detector("convnext", "fcos"), data)
    assert boxes_alone.metric == "box_AP"
