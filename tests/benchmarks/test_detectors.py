"""Benchmarks of detectors: both sides see images of the same size, and rows are worked by hand."""

import pytest
import torch
from helpers.refusals import refuses
from torch import Tensor, nn

from vision.benchmarks.detection import their_detector
from vision.benchmarks.detectors import Bench, Settings, measure_detectors, print_rows
from vision.errors import ConfigError
from vision.tasks.detection import Detection

SIZE = (64, 96)
SETTINGS = Settings(
    detectors=["fcos"], backbone="convnext_tiny", batch=1, height=SIZE[0], width=SIZE[1],
    queries=10, layers=1, rounds=1, warmup=0, threads=1, device="cpu",
)  # fmt: skip


def seen_by(backbone: nn.Module) -> list[torch.Size]:
    """Sizes of the images that come to a backbone, which a later run fills."""
    sizes: list[torch.Size] = []

    def note(module: nn.Module, args: tuple[Tensor]) -> None:
        sizes.append(args[0].shape[-2:])

    backbone.register_forward_pre_hook(note)
    return sizes


def test_torchvision_resizes_no_image() -> None:
    bench = Bench("torchvision/fcos_resnet50_fpn", SETTINGS)
    sizes = seen_by(bench.model.get_submodule("backbone"))
    bench.run()
    assert sizes == [SIZE]


@pytest.mark.parametrize("training", [False, True])
def test_nor_does_the_one_with_our_backbone(training: bool) -> None:
    backbone = {"dims": [16, 16, 16, 16], "depths": [1, 1, 1, 1]}
    ours = Detection("convnext", 80, backbone_options=backbone)
    theirs = their_detector(ours, ours.backbone, size=SIZE).train(training)
    sizes = seen_by(ours.backbone)
    boxes = {"boxes": torch.tensor([[8.0, 8, 40, 40]]), "labels": torch.tensor([1])}
    target = {**boxes, "masks": torch.ones(1, *SIZE, dtype=torch.uint8)}
    theirs([torch.rand(3, *SIZE)], [target] if training else None)
    assert sizes == [SIZE]


def test_rows_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    """Two images a round; the second detector takes four times as long."""
    times = {"first": [0.1, 0.2], "second": [0.4, 0.8]}
    sizes = dict.fromkeys(times, 1_500_000)
    print_rows(times, sizes, {"first": 3.0, "second": 4.0}, batch=2)
    _, first, second = (line.split() for line in capsys.readouterr().out.splitlines())
    assert first == ["first", "75.0", "13.3", "3.0", "1.5", "1.00", "1.00", "to", "1.00"]
    assert second == ["second", "300.0", "3.3", "4.0", "1.5", "0.25", "0.25", "to", "0.25"]


def test_an_unknown_detector() -> None:
    with refuses(ConfigError, "'dyno'", "dino"):
        measure_detectors(Settings(**{**vars(SETTINGS), "detectors": ["dyno"]}))
