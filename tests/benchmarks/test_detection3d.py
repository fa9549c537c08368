"""What the benchmark of boxes in space runs, and that both sides of its overlaps agree."""

from dataclasses import replace

import pytest
import torch
from helpers.tiny_detection3d import tiny_detection3d

from vision.benchmarks import detection3d
from vision.benchmarks.detection3d import BESIDE, build, measure_overlaps
from vision.benchmarks.heads import HeadBenchmark, Settings
from vision.benchmarks.measurement import Measurement
from vision.tasks.detection3d_checks import check_cameras, check_targets3d

SIZE = (64, 96)
SETTINGS = Settings(backbones=(), sizes=(), batch=2, rounds=1, warmup=0, threads=1, device="cpu")


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detection3d, "Detection3D", lambda *_, **__: tiny_detection3d())


def test_a_step_is_a_training_step_and_the_head_is_run_with_its_cameras(tiny: None) -> None:
    settings = replace(SETTINGS, beside=BESIDE)
    bench = HeadBenchmark(
        lambda backbone, batch, size: build("monodetr", backbone, batch, size), "", SIZE, settings
    )
    check_cameras(bench.batch, bench.batch["image"])
    check_targets3d(bench.batch["target"], bench.batch, num_classes=3)
    bench.task.backbone.forward = None
    bench.run("head")
    del bench.task.backbone.forward
    bench.run("step")
    assert all(p.grad is not None for p in bench.task.parameters())


def test_overlaps_are_compared_with_those_of_polygons(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detection3d, "PAIRS", 200)
    measured = Measurement("overlaps")
    measure_overlaps(measured, rounds=2, warmup=0)
    row = measured.rows[0]
    assert row.label == "overlaps of 200 pairs from above"
    assert (row.unit, row.peer, row.rounds) == ("ms/step", "shapely", 2)
    assert row.difference is not None
    assert row.difference < 1e-12
    assert float((detection3d.random_rectangles(200, 0)[:, 2:4] > 0).double().mean()) == 1
    found = detection3d.paired_rotated_iou(
        *(detection3d.random_rectangles(200, seed) for seed in (0, 1))
    )
    assert 0.5 < float((found > 0).double().mean()) < 1
    assert torch.isfinite(found).all()
