"""What stands in for mmcv's operators on boxes, through mmcv's own functions where it is installed.

Compared with torchvision, with PyTorch code of mmcv or of other packages, or with plain loops.
"""

import math

import pytest
import torch
import torchvision
from helpers.mmcv_gradients import assert_same, gradients
from torch import Tensor

from vision.errors import ConfigError
from vision.mmcv.operators import provide_operators

pytest.importorskip("mmcv", reason="mmcv-lite is not installed")


@pytest.fixture(autouse=True)
def seeded() -> None:
    provide_operators()
    torch.manual_seed(0)


def random_boxes(count: int, *, size: float = 20) -> Tensor:
    corner = torch.rand(count, 2) * size
    return torch.cat([corner, corner + 1 + torch.rand(count, 2) * size], dim=1)


def random_rois(count: int) -> Tensor:
    return torch.cat([torch.arange(count)[:, None] % 2, random_boxes(count)], dim=1)


def iou(a: list[float], b: list[float], offset: int) -> float:
    """IoU in plain numbers."""
    width = max(min(a[2], b[2]) - max(a[0], b[0]) + offset, 0)
    height = max(min(a[3], b[3]) - max(a[1], b[1]) + offset, 0)
    area = [(c[2] - c[0] + offset) * (c[3] - c[1] + offset) for c in (a, b)]
    return width * height / (sum(area) - width * height)


def suppress(boxes: list, scores: list, threshold: float, offset: int) -> list[list[int]]:
    """Groups of a kept box and of those that it suppresses."""
    order = sorted(range(len(boxes)), key=lambda i: -scores[i])
    groups = []
    while order:
        best, *order = order
        gone = [i for i in order if iou(boxes[best], boxes[i], offset) > threshold]
        groups.append([best, *gone])
        order = [i for i in order if i not in gone]
    return groups


@pytest.mark.parametrize("offset", [0, 1])
def test_nms(offset: int) -> None:
    from mmcv.ops import nms

    boxes, scores = random_boxes(40), torch.rand(40)
    dets, kept = nms(boxes, scores, 0.3, offset=offset)
    groups = suppress(boxes.tolist(), scores.tolist(), 0.3, offset)
    assert kept.tolist() == [group[0] for group in groups]
    assert torch.equal(dets, torch.cat([boxes, scores[:, None]], 1)[kept])
    assert len(nms(boxes[:0], scores[:0], 0.3)[1]) == 0


def test_batched_nms_keeps_classes_apart() -> None:
    from mmcv.ops import batched_nms

    boxes = random_boxes(6)[:1].repeat(6, 1)
    options = {"type": "nms", "iou_threshold": 0.5}
    _, kept = batched_nms(boxes, torch.rand(6), torch.arange(6) % 3, options)
    assert sorted((kept % 3).tolist()) == [0, 1, 2]


def test_nms_match() -> None:
    from mmcv.ops import nms_match

    boxes, scores = random_boxes(30), torch.rand(30)
    groups = nms_match(torch.cat([boxes, scores[:, None]], 1), 0.4)
    expected = suppress(boxes.tolist(), scores.tolist(), 0.4, 0)
    assert [group.tolist() for group in groups] == expected


def soften(boxes: list, scores: list, method: str) -> tuple[list[int], list[float]]:
    """Soft-NMS in plain numbers (Bodla et al., 2017, figure 2), IoU threshold 0.3, sigma 0.5."""
    left, chosen, final = dict(enumerate(scores)), [], []
    while left:
        best = max(left, key=left.get)
        chosen.append(best)
        final.append(left.pop(best))
        for i in list(left):
            overlap = iou(boxes[best], boxes[i], 0)
            if method == "gaussian":
                left[i] *= math.exp(-(overlap**2) / 0.5)
            elif overlap >= 0.3:
                left[i] *= 1 - overlap if method == "linear" else 0
            if left[i] < 0.2:
                del left[i]
    return chosen, final


@pytest.mark.parametrize("method", ["naive", "linear", "gaussian"])
def test_soft_nms(method: str) -> None:
    from mmcv.ops import soft_nms

    boxes, scores = random_boxes(30), 0.3 + torch.rand(30)
    dets, kept = soft_nms(boxes, scores, 0.3, 0.5, 0.2, method)
    chosen, final = soften(boxes.tolist(), scores.tolist(), method)
    assert kept.tolist() == chosen
    torch.testing.assert_close(dets, torch.cat([boxes[kept], torch.tensor(final)[:, None]], 1))
    assert len(chosen) < 30


@pytest.mark.parametrize("offset", [0, 1])
def test_bbox_overlaps(offset: int) -> None:
    from mmcv.ops import bbox_overlaps

    a, b = random_boxes(5), random_boxes(5)
    expected = torch.tensor([[iou(x, y, offset) for y in b.tolist()] for x in a.tolist()])
    torch.testing.assert_close(bbox_overlaps(a, b, offset=offset), expected)
    aligned = bbox_overlaps(a, b, aligned=True, offset=offset)
    torch.testing.assert_close(aligned, expected.diagonal())
    inner = torch.tensor([[1.0, 1, 3, 3]])
    assert bbox_overlaps(inner, torch.tensor([[0.0, 0, 9, 9]]), mode="iof").item() == 1


@pytest.mark.parametrize(("aligned", "ratio"), [(True, 0), (False, 2)])
def test_roi_align(aligned: bool, ratio: int) -> None:
    from mmcv.ops import roi_align

    features, rois = torch.randn(2, 3, 12, 14), random_rois(5)

    def theirs(x: Tensor) -> Tensor:
        return roi_align(x, rois, (3, 4), 0.5, ratio, "avg", aligned)

    def expected(x: Tensor) -> Tensor:
        return torchvision.ops.roi_align(x, rois, (3, 4), 0.5, ratio, aligned)

    assert_same(gradients(theirs, features), gradients(expected, features))
    with pytest.raises(ConfigError, match="pool_mode='max'"):
        roi_align(features, rois, (3, 4), 0.5, 0, "max")


def test_roi_pool() -> None:
    from mmcv.ops import roi_pool

    features, rois = torch.randn(2, 3, 12, 14), random_rois(5)
    rois[4, 1:] = torch.tensor([500, 500, 510, 510])  # outside of the map

    def expected(x: Tensor) -> Tensor:
        output = x.new_zeros(5, 3, 2, 3)
        for m, (image, *box) in enumerate(rois.tolist()):
            left, top = box[0] * 0.5, box[1] * 0.5
            width, height = (box[2] + 1) * 0.5 - left, (box[3] + 1) * 0.5 - top
            for i in range(2):
                for j in range(3):
                    rows = slice(int(top + i * height / 2), math.ceil(top + (i + 1) * height / 2))
                    columns = slice(
                        int(left + j * width / 3), math.ceil(left + (j + 1) * width / 3)
                    )
                    cell = x[int(image), :, rows, columns]
                    if cell.numel():
                        output[m, :, i, j] = cell.amax((1, 2))
        return output

    ours = gradients(lambda x: roi_pool(x, rois, (2, 3), 0.5), features)
    assert_same(ours, gradients(expected, features))
    assert ours[1].abs().sum() > 0
