"""Both sides of a benchmark do the same work, and its rows are those figures."""

import math
import re
from collections.abc import Callable

import pytest
import torch

from vision.benchmarks.backbones import measure_backbones
from vision.benchmarks.detection_input import measure_detection_input
from vision.benchmarks.input import measure_input
from vision.benchmarks.segmentation import Benchmark, Settings
from vision.benchmarks.segmentation_input import measure_segmentation_input

ALB = "albumentations"


@pytest.fixture(autouse=True)
def _threads():
    """The benchmarks choose a number of threads."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize(
    ("measure", "theirs"),
    [
        (lambda: measure_input(images=1, quality=50, rounds=1, workers=0), ("timm",)),
        (lambda: measure_detection_input(images=1, rounds=1), ("transforms v2", ALB)),
        (lambda: measure_segmentation_input(images=1, rounds=1), ("mmsegmentation", ALB)),
    ],
    ids=["classification", "detection", "segmentation"],
)
def test_rows_of_input_give_speeds_and_the_ratio_to_ours(
    measure: Callable[[], None], theirs: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    measure()
    rows: dict[str, tuple[float, ...]] = {}
    for line in capsys.readouterr().out.splitlines():
        if row := re.fullmatch(r"(.*\S)\s+(\d+) images/s\s+([\d.]+) ms\s+([\d.]+)", line):
            rows.setdefault(row[1], tuple(map(float, row.groups()[1:])))
    for side in theirs:
        speed, milliseconds, ratio = rows[side]
        assert speed == pytest.approx(1000 / milliseconds, abs=0.51)  # printed without decimals
        assert ratio == pytest.approx(milliseconds / rows["ours"][1], abs=0.01)
    assert rows["ours"][2] == 1


def rows_of(output: str) -> dict[str, list[float]]:
    rows = re.findall(r"^(.*\S)\s{2,}([\d.]+)\s+([\d.]+)\s+([\d.]+)\s*$", output, re.MULTILINE)
    return {name: [float(value) for value in values] for name, *values in rows}


def test_both_backbones_keep_what_their_rows_say(capsys: pytest.CaptureFixture[str]) -> None:
    measure_backbones(names=["convnext_tiny"], batch=1, size=32, rounds=1, warmup=0, device="cpu")
    rows = rows_of(capsys.readouterr().out)
    assert {"convnext_tiny inference, ms/image", "convnext_tiny training, ms/image"} <= {*rows}
    ours, theirs, ratio = rows["convnext_tiny kept for backward, MiB/image"]
    assert ours == theirs  # the same network
    assert ratio == 1


def test_both_segmentors_train_alike_and_see_the_same_classes() -> None:
    both = Benchmark(
        Settings(
            backbone="swin_tiny", batch=2, size=64, rounds=1, warmup=0, threads=1,
            channels_last=False, precision="fp32", device="cpu",
        )
    )  # fmt: skip
    both.set_mode("inference")
    ours, theirs = (both.step("inference", side) for side in (0, 1))
    assert (ours == theirs).float().mean() > 0.999
    both.set_mode("training")
    # Drop path and dropout draw, and so do the two sides: the mean of several steps would agree.
    losses = [both.step("training", side).item() for side in (0, 1)]
    assert all(map(math.isfinite, losses))
    assert losses[0] == pytest.approx(losses[1], rel=0.1)
