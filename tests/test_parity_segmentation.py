"""Every head against the tensors that mmsegmentation's own code computed (`fixtures/mmseg`)."""

import pytest
import torch
from helpers.mmseg_heads import NAMES, Reference, build, convert, read
from torch import Tensor
from torch.nn import functional as F

from vision.contracts.segmentation import IGNORED
from vision.heads.segmentation.base import PixelClassifier, SegmentationHead

# Of the largest value, in float32 and in float64.
TOLERANCE, FINE = 1e-5, 1e-12


@pytest.fixture(scope="module", params=NAMES)
def reference(request: pytest.FixtureRequest) -> Reference:
    return read(request.param)


@pytest.fixture(scope="module")
def head(reference: Reference) -> SegmentationHead:
    head = build(reference.kind, reference.options)
    head.load_state_dict(convert(reference.folder("state_dict")))
    return head.eval()


def maps(reference: Reference) -> list[Tensor]:
    return [reference.tensors[f"input/{i}"] for i in range(4)]


def check(actual: Tensor, expected: Tensor, tolerance: float) -> None:
    assert actual.shape == expected.shape
    error = ((actual - expected).abs().max() / expected.abs().max()).item()
    assert error <= tolerance, f"relative error {error:.2e}"


@torch.no_grad()
def test_map_before_the_classifier(reference: Reference, head: PixelClassifier) -> None:
    if "feature" not in reference.tensors:
        pytest.skip("not in the file")
    check(head.merge(maps(reference)), reference.tensors["feature"], TOLERANCE)


@torch.no_grad()
def test_logits(reference: Reference, head: SegmentationHead) -> None:
    check(head(maps(reference))["logits"], reference.tensors["logits"], TOLERANCE)


@torch.no_grad()
def test_logits_in_float64(reference: Reference) -> None:
    head = build(reference.kind, reference.options).double().eval()
    head.load_state_dict(convert(reference.folder("state_dict")))
    logits = head([x.double() for x in maps(reference)])["logits"]
    check(logits, reference.tensors["logits_f64"], FINE)


@torch.no_grad()
def test_cross_entropy_and_accuracy(reference: Reference, head: SegmentationHead) -> None:
    target = reference.tensors["target"].long()
    logits = F.interpolate(
        head(maps(reference))["logits"],
        size=target.shape[1:],
        mode="bilinear",
        align_corners=head.align_corners,
    )
    loss = F.cross_entropy(logits, target, ignore_index=IGNORED, reduction="none").mean()
    check(loss, reference.tensors["loss/loss_ce"], TOLERANCE)
    right = (logits.argmax(dim=1) == target)[target != IGNORED].float().mean() * 100
    check(right.flatten(), reference.tensors["loss/acc_seg"].flatten(), TOLERANCE)
