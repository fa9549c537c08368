"""What an exported panoptic model gives, and that NumPy alone makes the task's segments of it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.tiny_panoptic import CLASSES, THINGS, sure_panoptic
from helpers.tiny_task import random_images

from vision.export.panoptic import PanopticGraph, best_queries
from vision.export.panoptic_score import PanopticQuality, panoptic_quality
from vision.export.run import ExportOptions, export
from vision.ops.cluster_maps import cluster_maps, mask_rows
from vision.ops.panoptic_merge import MergeOptions, merge_outputs
from vision.tasks.panoptic import PanopticSegmentation

CANVAS, VALID = (96, 128), (70, 101)


@pytest.fixture(scope="module")
def task() -> PanopticSegmentation:
    return sure_panoptic()


@torch.no_grad()
def segments_of(task: PanopticSegmentation, images: torch.Tensor, size: tuple[int, int]) -> Any:
    """What the task finds in images whose valid part has a size, in this size."""
    normalised = task.normalize(images)
    normalised[:, :, size[0] :], normalised[:, :, :, size[1] :] = 0, 0
    sizes = torch.tensor([size] * len(images))
    batch: Any = {
        "image": normalised,
        "size": sizes,
        "original_size": sizes,
        "canvas": torch.tensor([images.shape[2:]] * len(images)),
        "path": [""] * len(images),
    }
    return task.run(batch)


def canvas_images() -> torch.Tensor:
    """Two images on a canvas of the mean colour, as whole floats of 0..255."""
    images = torch.full((2, 3, *CANVAS), 0.0)
    images[:, :, : VALID[0], : VALID[1]] = random_images(2, side=128)[:, :, : VALID[0], : VALID[1]]
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1) * 255
    images[:, :, VALID[0] :], images[:, :, :, VALID[1] :] = mean, mean
    return images


@torch.no_grad()
@pytest.mark.parametrize("size", [CANVAS, VALID])
def test_merged_outputs_are_the_segments_of_the_task(
    task: PanopticSegmentation, size: tuple[int, int]
) -> None:
    images = canvas_images()
    graph = PanopticGraph(task, input_dtype="float32")
    outputs = [value.numpy() for value in graph(images)]
    assert [value.shape for value in outputs] == [
        (2, 2, *CANVAS),
        (2, 2, *CANVAS),
        (2, 6, CLASSES),
    ]
    expected = segments_of(task, images, size)
    for parts, one in zip(zip(*outputs, strict=True), expected, strict=True):
        ids, segments = merge_outputs(*parts, things=THINGS, options=task.merge, size=size)
        assert segments == one["segments"]
        assert (ids != one["mask"].numpy()).mean() < 1e-3, "probabilities that tie may differ"
    assert sum(len(one["segments"]) for one in expected) > 2


@torch.no_grad()
def test_logits_are_those_of_the_task(task: PanopticSegmentation) -> None:
    images = random_images(1, side=64)
    graph = PanopticGraph(task, logits=True)
    found, expected = graph.named(graph(images)), task(images)
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert torch.equal(found[name], value)


@pytest.mark.parametrize("size", [(33, 45), (64, 48)])
def test_strips_join_without_a_seam(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    logits = 3 * torch.randn(1, 5, 12, 16, generator=torch.Generator().manual_seed(0))
    whole = best_queries(logits, size)
    monkeypatch.setattr("vision.export.panoptic.STRIP_BYTES", 7 * 4 * 5 * size[1])
    for one, other in zip(best_queries(logits, size), whole, strict=True):
        torch.testing.assert_close(one, other)
    maps = cluster_maps(
        mask_rows(logits[0], padded=size, valid=size, original=size), torch.rand(5, 3)
    )
    assert (maps.queries != whole[0][0]).double().mean() < 1e-3


def test_onnx_agrees_and_a_batch_may_have_any_length(
    task: PanopticSegmentation, tmp_path: Path
) -> None:
    graph = PanopticGraph(task)
    options = ExportOptions(format="onnx", size=(64, 96))
    made = export(graph, task, dict(task.describe()), tmp_path / "a.onnx", options)
    assert made.passed, made.table()
    assert made.dynamic == ("batch",)
    assert {case.batch for case in made.cases} == {1, 2}
    assert any("size is fixed" in note for note in made.notes)


def test_the_canvas_of_evaluation_is_the_usual_size(task: PanopticSegmentation) -> None:
    graph = PanopticGraph(task)
    assert graph.usual_size({"long_side": 640, "canvas": [641, 1281]}) == (641, 1281)
    assert graph.usual_size({"long_side": 100, "canvas": None}) == (128, 128)


def test_merging_needs_no_torch() -> None:
    code = (
        "import sys, numpy as np; from vision.ops.panoptic_merge import merge_outputs;"
        "print(merge_outputs(np.zeros((1, 2, 2), int), np.ones((1, 2, 2)), np.eye(1), things=[0]));"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True).returncode == 0


def perfect(ids: np.ndarray, labels: list[int]) -> dict[str, torch.Tensor]:
    """Outputs in which query q is the segment q + 1."""
    queries = torch.from_numpy(ids)[None, None].int() - 1
    return {
        "queries": queries,
        "shares": torch.where(queries >= 0, 0.9, 0.0),
        "class_probabilities": torch.eye(CLASSES)[labels][None],
    }


def test_the_quality_is_measured_in_the_pixels_of_the_files() -> None:
    ids = np.zeros((8, 12), np.int32)
    ids[:4, :10], ids[4:, :5] = 1, 2
    labels = [0, 3]
    segments = [
        {"id": i + 1, "category_id": label, "isthing": label in THINGS}
        for i, label in enumerate(labels)
    ]
    batch: Any = {
        "mask": torch.from_numpy(ids.repeat(2, 0).repeat(2, 1))[None],
        "segments": [segments],
        "size": torch.tensor([[8, 12]]),
        "original_size": torch.tensor([[16, 24]]),
    }
    score = panoptic_quality(sure_panoptic(merge=MergeOptions()), None)
    assert isinstance(score, PanopticQuality)
    score.update(perfect(ids, labels), batch)
    assert (score.metric, score.images, score.value()) == ("PQ", 1, 1.0)
    # The second segment has another class: neither it nor the true one has a match.
    score.update(perfect(ids, [0, 1]), batch)
    assert score.value() == pytest.approx((1 + 0 + 1 / 1.5) / 3)
