from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from helpers.tiny_models import TINY

from vision.callbacks.results import segmentation_records
from vision.callbacks.results.evaluated import Evaluated
from vision.callbacks.results.segmentation_records import SegmentationRecorder, calibrate_pixels
from vision.contracts.segmentation import IGNORED
from vision.tasks.segmentation import Segmentation

TRAINER: Any = SimpleNamespace(world_size=1)


@pytest.fixture(scope="module")
def task() -> Segmentation:
    torch.manual_seed(0)
    name, options = TINY["convnext"]
    head = {"channels": 8}
    return Segmentation(
        name, 3, segmentor="segformer", backbone_options=options, head_options=head
    ).eval()


def batch_of(places: list[int]) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(4, 3, 32, 64, generator=generator)[places]
    masks = torch.randint(0, 3, (4, 16, 32), generator=generator)
    masks[:, :2] = IGNORED
    return {
        "image": images,
        "size": torch.tensor([[32, 64]] * len(places)),
        "original_size": torch.tensor([[16, 32]] * len(places)),
        "mask": masks[places],
        "path": [f"val/{i}.png" for i in places],
        "index": torch.tensor(places),
    }


@torch.inference_mode()
def take(task: Segmentation, *batches: list[int]) -> SegmentationRecorder:
    recorder = SegmentationRecorder()
    recorder.begin(TRAINER, task, range(4))
    task.begin_evaluation()
    for places in batches:
        batch: Any = batch_of(places)
        found = task.evaluate("val", task.run(batch), batch)
        recorder.take(task, Evaluated(batch, found, batch["index"]))
    task.segmentation_result = task.evaluator.compute()
    return recorder


def test_images_are_judged_and_their_masks_kept(task: Segmentation) -> None:
    record = take(task, [0, 1], [2, 3]).finish(TRAINER, task)
    assert [one.name for one in record.scored] == ["0.png", "1.png", "2.png", "3.png"]
    assert {one.place for kind in record.chosen.values() for one in kind} == {*record.masks}
    assert record.masks[0].shape == (16, 32)
    assert record.result.images == record.sampled == 4


@torch.inference_mode()
def test_pixels_are_compared_at_the_stride_of_the_head(task: Segmentation) -> None:
    batch = batch_of([0])
    ours = calibrate_pixels(task, batch["image"], batch["mask"][0])
    scores = task.head(task.neck(task.backbone(batch["image"])))["logits"].softmax(dim=1)[0]
    confidence, predicted = scores.max(dim=0)  # (8, 16): every cell has two rows and columns
    true = batch["mask"][0][1::2, 1::2]
    assert predicted.shape == true.shape
    counted = true != IGNORED
    assert ours.counts.sum() == counted.sum() == 7 * 16
    assert ours.right.sum() == (predicted == true)[counted].sum()
    assert ours.sure.sum() == pytest.approx(float(confidence[counted].double().sum()))


def test_a_sample_of_large_sets_is_run_again(
    task: Segmentation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segmentation_records, "MAX_SAMPLED", 2)
    record = take(task, [0, 1, 2, 3]).finish(TRAINER, task)
    assert record.sampled == 2
    alone = take(task, [0]).finish(TRAINER, task).calibration
    both = alone + take(task, [2]).finish(TRAINER, task).calibration
    np.testing.assert_array_equal(record.calibration.counts, both.counts)
