"""From detections of a batch to predictions of images."""

from typing import Any

import torch

from vision.contracts.detection import Detections
from vision.contracts.features import ClassRows
from vision.heads.detection.base import DetectionHead


class Head(DetectionHead):
    def forward(self, *args: Any) -> None:
        raise NotImplementedError

    def class_rows(self) -> dict[str, ClassRows]:
        return {}


def detections(masks: bool) -> Detections:
    found: Detections = {
        "boxes": torch.tensor(
            [
                [[10.0, 20.0, 30.0, 40.0], [0.0, 0.0, 60.0, 50.0], [0.0, 0.0, 0.0, 0.0]],
                [[5.0, 5.0, 15.0, 25.0], [0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]],
            ]
        ),
        "scores": torch.tensor([[0.9, 0.5, 0.0], [0.8, 0.0, 0.0]]),
        "labels": torch.tensor([[3, 1, 0], [2, 0, 0]]),
        "count": torch.tensor([2, 1]),
    }
    if masks:
        found["masks"] = torch.ones(2, 3, 4, 4)
        found["masks"][0, 1, :, 2:] = 0.0
    return found


SIZES = torch.tensor([[50, 60], [40, 30]])  # of images padded to 50 x 60
ORIGINAL = torch.tensor([[100, 180], [40, 15]])


def test_boxes_move_to_the_original_images() -> None:
    first, second = Head().predict(detections(masks=False), SIZES, ORIGINAL)
    # Twice as high and three times as wide.
    assert first["boxes"].tolist() == [[30, 40, 90, 80], [0, 0, 180, 100]]
    assert first["labels"].tolist() == [3, 1]
    assert first["scores"].tolist() == torch.tensor([0.9, 0.5]).tolist()
    assert second["boxes"].tolist() == [[2.5, 5.0, 7.5, 25.0]]
    assert "masks" not in first


def test_without_original_sizes_boxes_stay_and_are_clipped_to_the_valid_image() -> None:
    found = detections(masks=False)
    found["boxes"][1, 0, 2] = 55.0
    _, second = Head().predict(found, SIZES)
    assert second["boxes"].tolist() == [[5, 5, 30, 25]]


def test_masks_are_drawn_into_the_original_images() -> None:
    first, second = Head().predict(detections(masks=True), SIZES, ORIGINAL)
    assert first["masks"].shape == (2, 100, 180)
    assert second["masks"].shape == (1, 40, 15)
    assert first["masks"].dtype == torch.bool
    # The whole box but for pixels at its corners, half a cell of the grid away.
    assert first["masks"][0, 40:80, 38:82].all()
    assert first["masks"][0, 45:75, 30:90].all()
    assert int(first["masks"][0].sum()) == int(first["masks"][0, 40:80, 30:90].sum())
    # Its left half; the threshold of 0.5 is met half-way between the two middle cells.
    assert first["masks"][1, 13:87, :90].all()
    assert not first["masks"][1, :, 91:].any()


def test_an_image_without_detections() -> None:
    found = detections(masks=True)
    found["count"][1] = 0
    _, second = Head().predict(found, SIZES, ORIGINAL)
    assert second["boxes"].shape == (0, 4)
    assert second["masks"].shape == (0, 40, 15)
