"""Benchmarks of detectors: both sides see images of the same size, and find the same objects."""

from dataclasses import replace

import pytest
import torch
from helpers.refusals import refuses
from torch import Tensor, nn

from vision.benchmarks import detection, detectors
from vision.benchmarks.detection import MaskRCNNs
from vision.benchmarks.detectors import Bench, Settings, measure_detectors
from vision.benchmarks.peers.mask_rcnn import their_detector
from vision.errors import ConfigError
from vision.tasks.detection import Detection

SIZE = (64, 96)
SETTINGS = Settings(
    detectors=["fcos"], backbone="convnext_tiny", batch=1, height=SIZE[0], width=SIZE[1],
    queries=10, layers=1, rounds=1, warmup=0, threads=1, device="cpu",
)  # fmt: skip


TINY = {"dims": [16, 16, 16, 16], "depths": [1, 1, 1, 1]}
# Fewer proposals and detections cost less.
FEW = {
    "rpn": {"post_nms_topk_train": 40, "post_nms_topk_test": 40},
    "batch_size_per_image": 16,
    "max_per_image": 8,
}
PAIR = detection.Settings(
    against="torchvision", backbone="tiny", batch=2, height=64, width=96, objects=3,
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
    ours = Detection("convnext", 80, backbone_options=TINY)
    theirs = their_detector(ours, ours.backbone, size=SIZE).train(training)
    sizes = seen_by(ours.backbone)
    boxes = {"boxes": torch.tensor([[8.0, 8, 40, 40]]), "labels": torch.tensor([1])}
    target = {**boxes, "masks": torch.ones(1, *SIZE, dtype=torch.uint8)}
    theirs([torch.rand(3, *SIZE)], [target] if training else None)
    assert sizes == [SIZE]


@pytest.fixture(scope="module")
def pair() -> MaskRCNNs:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            detection, "Detection",
            lambda name, classes, **_: Detection(
                "convnext", classes, backbone_options=TINY, head_options=FEW
            ),
        )  # fmt: skip
        return MaskRCNNs(PAIR)


def test_both_find_the_same_objects(pair: MaskRCNNs) -> None:
    assert pair.compare() < 1e-6
    with torch.inference_mode():
        found = pair.ours.eval()(pair.batch["image"] * 255)
    assert [len(one["boxes"]) for one in found] == [8, 8]


@pytest.mark.parametrize("side", [0, 1])
def test_a_training_step_reaches_every_parameter(pair: MaskRCNNs, side: int) -> None:
    pair.step("training", side)
    model = (pair.ours, pair.theirs)[side]
    assert all(p.grad is not None for p in model.parameters())


def test_rows_are_of_the_first_detector_beside_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(detectors, "Bench", FakeBench)
    table = measure_detectors(replace(SETTINGS, detectors=["fcos", "dino", "mask_rcnn"]))
    assert [(row.unit, row.peer) for row in table.rows] == [
        (unit, peer)
        for peer in ("dino", "mask_rcnn")
        for unit in ("ms/image", "CPU ms/image", "MiB", "M")
    ]
    assert {(row.ours, row.theirs) for row in table.rows if row.unit == "M"} == {(1.5, 1.5)}
    assert "not compared" in table.notes[0]
    (alone, *_) = measure_detectors(SETTINGS).rows
    assert (alone.theirs, alone.peer) == (None, "")


class FakeBench:
    """A detector that does nothing."""

    parameters = 1_500_000

    def __init__(self, name: str, settings: Settings) -> None:
        pass

    def run(self) -> None:
        sum(range(1000))


def test_an_unknown_detector() -> None:
    with refuses(ConfigError, "'dyno'", "dino"):
        measure_detectors(replace(SETTINGS, detectors=["dyno"]))
