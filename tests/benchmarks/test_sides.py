"""Both sides of a benchmark do the same work, and its rows are those figures."""

from collections.abc import Callable

import pytest
import torch
from helpers.refusals import refuses

from vision.backbones.convnext import VARIANTS
from vision.benchmarks import backbones
from vision.benchmarks.detection_input import measure_detection_input
from vision.benchmarks.input import measure_input
from vision.benchmarks.measurement import UnequalSidesError
from vision.benchmarks.peers.timm import TimmPeer
from vision.benchmarks.results import Table
from vision.benchmarks.segmentation_input import measure_segmentation_input

ALB = "albumentations"


@pytest.fixture(autouse=True)
def _threads():
    """The benchmarks choose a number of threads."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize(
    ("measure", "peers"),
    [
        (
            lambda: measure_input(images=1, quality=50, rounds=1, workers=0),
            {"timm", "torchvision", f"{ALB}, area", f"{ALB}, cubic"},
        ),
        (lambda: measure_detection_input(images=1, rounds=1), {"torchvision", ALB}),
        (lambda: measure_segmentation_input(images=1, rounds=1), {"mmsegmentation", ALB}),
    ],
    ids=["classification", "detection", "segmentation"],
)
def test_inputs_stand_beside_those_that_make_the_same_images(
    measure: Callable[[], Table], peers: set[str]
) -> None:
    rows = measure().rows
    beside = [row for row in rows if row.theirs is not None]
    assert {row.peer for row in beside} == peers
    for row in beside:
        assert row.unit in ("ms/image", "CPU ms/image")
        assert row.ratio == pytest.approx(row.theirs / row.ours)
    # Images were compared; filters differ in a few levels of 255.
    compared = [row.difference for row in beside if row.difference is not None]
    assert compared
    assert max(compared) < 0.5
    alone = {row.label: row.ours for row in rows if row.theirs is None}
    assert min(alone.values()) >= 0
    assert len(alone) > 4


def test_backbones_are_compared_before_they_are_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(VARIANTS, "one", {"dims": (8, 16, 16, 16), "depths": (1, 1, 1, 1)})
    settings = backbones.Settings(
        names=["convnext_one"], against="timm", memory=["fast", "lean"], batch=1, size=32,
        rounds=2, warmup=0, threads=1, device="cpu",
    )  # fmt: skip
    rows = {(row.label, row.unit): row for row in backbones.measure_backbones(settings).rows}
    for step in ("inference", "training, fast", "training, lean"):
        row = rows[f"convnext_one, {step}", "ms/image"]
        assert row.difference < 1e-5
        assert (row.peer, row.rounds) == ("timm", 2)
        assert rows[f"convnext_one, {step}, operators", "calls"].theirs > 50
        assert rows[f"convnext_one, {step}, peak", "MiB"].ours > 0
    beside = rows["convnext_one, training, lean beside fast", "ms/image"]
    assert (beside.peer, beside.rounds) == ("ours, fast", 2)
    kept = [rows[f"convnext_one, training, {mode}, kept", "MiB/image"] for mode in settings.memory]
    # The same network; the images, too, which ours lays out otherwise.
    assert kept[0].ours - kept[0].theirs == pytest.approx(4 * 3 * 32 * 32 / 2**20)
    assert kept[1].ours < 0.7 * kept[0].ours

    monkeypatch.setattr(TimmPeer, "copy_weights", lambda self, ours: None)
    with refuses(UnequalSidesError, "convnext_one and timm's"):
        backbones.measure_backbones(settings)
