"""Geometry of boxes, against torchvision's."""

import pytest
import torch
from torch import Tensor
from torchvision.models.detection._utils import BoxCoder
from torchvision.ops import (
    box_iou as torchvision_iou,
)
from torchvision.ops import (
    clip_boxes_to_image,
    generalized_box_iou,
)

from vision.ops.boxes import (
    MAX_LOG_SCALE,
    at_least_float32,
    box_area,
    box_iof,
    box_iou,
    clip_boxes,
    decode_boxes,
    encode_boxes,
    paired_giou,
)

STDS = [(1.0, 1.0, 1.0, 1.0), (0.1, 0.1, 0.2, 0.2), (0.033, 0.033, 0.067, 0.067)]


def random_boxes(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(*shape, 2, generator=generator) * 100
    size = torch.rand(*shape, 2, generator=generator) * 60 + 0.5
    return torch.cat([corner, corner + size], dim=-1)


def test_overlaps_are_torchvisions_in_each_image() -> None:
    a, b = random_boxes(3, 40), random_boxes(3, 25, seed=1)
    ours = box_iou(a, b)
    assert ours.shape == (3, 40, 25)
    for i in range(3):
        torch.testing.assert_close(ours[i], torchvision_iou(a[i], b[i]))


def test_overlaps_worked_by_hand() -> None:
    a = torch.tensor([[0.0, 0.0, 10.0, 10.0], [20.0, 20.0, 20.0, 30.0]])
    b = torch.tensor([[5.0, 0.0, 25.0, 10.0], [0.0, 0.0, 10.0, 10.0]])
    assert box_area(b).tolist() == [200.0, 100.0]
    # 50 in common; an empty box overlaps with nothing and lies in nothing.
    torch.testing.assert_close(box_iou(a, b), torch.tensor([[50 / 250, 1.0], [0.0, 0.0]]))
    torch.testing.assert_close(box_iof(a, b), torch.tensor([[0.5, 1.0], [0.0, 0.0]]))
    torch.testing.assert_close(box_iof(b, a)[:, 0], torch.tensor([0.25, 1.0]))


def test_paired_giou_is_the_diagonal_of_torchvisions() -> None:
    a, b = random_boxes(50), random_boxes(50, seed=1)
    torch.testing.assert_close(paired_giou(a, b), generalized_box_iou(a, b).diagonal())
    assert paired_giou(torch.zeros(1, 4), torch.zeros(1, 4)).isfinite().all()


def test_boxes_are_clipped_to_their_own_image() -> None:
    boxes = random_boxes(2, 30) - 20
    sizes = torch.tensor([[50, 90], [120, 40]])
    ours = clip_boxes(boxes, sizes)
    for i in range(2):
        height, width = sizes[i].tolist()
        assert torch.equal(ours[i], clip_boxes_to_image(boxes[i], (height, width)))


@pytest.mark.parametrize("std", STDS)
def test_the_code_is_torchvisions(std: tuple[float, ...]) -> None:
    boxes, targets = random_boxes(40), random_boxes(40, seed=1)
    coder = BoxCoder(tuple(1 / value for value in std))
    torch.testing.assert_close(
        encode_boxes(boxes, targets, std), coder.encode_single(targets, boxes), rtol=1e-4, atol=1e-5
    )
    deltas = torch.randn(40, 4)
    torch.testing.assert_close(
        decode_boxes(boxes, deltas, std), coder.decode_single(deltas, boxes), rtol=1e-4, atol=1e-3
    )


@pytest.mark.parametrize("std", STDS)
def test_decoding_undoes_encoding(std: tuple[float, ...]) -> None:
    boxes, targets = random_boxes(2, 40).double(), random_boxes(2, 40, seed=1).double()
    torch.testing.assert_close(decode_boxes(boxes, encode_boxes(boxes, targets, std), std), targets)


def test_a_box_changes_by_a_limited_factor() -> None:
    box = torch.tensor([[0.0, 0.0, 16.0, 16.0]])
    grown = decode_boxes(box, torch.tensor([[0.0, 0.0, 50.0, -50.0]]))
    torch.testing.assert_close(grown[0, 2] - grown[0, 0], torch.tensor(1000.0))
    torch.testing.assert_close(grown[0, 3] - grown[0, 1], torch.tensor(16 * 16 / 1000))
    assert pytest.approx(4.135, abs=1e-3) == MAX_LOG_SCALE


def test_half_precision_is_computed_in_float32() -> None:
    boxes = random_boxes(4)
    assert box_iou(boxes.half(), boxes.half()).dtype == torch.float32
    assert decode_boxes(boxes, torch.zeros(4, 4, dtype=torch.bfloat16)).dtype == torch.float32
    assert encode_boxes(boxes.bfloat16(), boxes).dtype == torch.float32
    assert at_least_float32(boxes.double()).dtype == torch.float64
    # 300 * 300 overflows in half precision.
    assert box_area(torch.tensor([0.0, 0.0, 300.0, 300.0]).half()).item() == 90000


def test_encoding_an_empty_box_is_finite() -> None:
    assert encode_boxes(torch.zeros(1, 4), random_boxes(1)).isfinite().all()
