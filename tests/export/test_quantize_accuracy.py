"""The metrics of exported models against values worked by hand and the task's own evaluator."""

from typing import Any

import pytest
import torch
from torch import Tensor

from vision.errors import ConfigError, DataError
from vision.export.quantize_accuracy import MeanIoU, TopOne, alike, find_score, measure_accuracy
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
    found, images = measure_accuracy(runs, batches, score=TopOne, num_classes=5)
    assert (found, images) == ({"float": 6 / 8, "int8": 3 / 8}, 8)
    found, images = measure_accuracy(runs, batches, score=TopOne, num_classes=5, limit=6)
    assert (found, images) == ({"float": 1.0, "int8": 2 / 6}, 6)
    found, images = measure_accuracy(runs, batches, score=TopOne, num_classes=5, limit=4)
    assert images == 4
    with pytest.raises(DataError, match="no images"):
        measure_accuracy(runs, [], score=TopOne, num_classes=5)


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
    found, images = measure_accuracy({"float": run}, [batch], score=MeanIoU, num_classes=3)
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


def test_detection_is_refused_with_the_reason() -> None:
    assert find_score("classification") is TopOne
    with pytest.raises(ConfigError, match=r"int8 models of detection are not made.*COCO's"):
        find_score("detection")
    with pytest.raises(ConfigError, match="Tasks that are: classification, segmentation"):
        find_score("depth")
