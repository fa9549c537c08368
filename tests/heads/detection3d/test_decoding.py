"""From predictions to boxes in space; the authors' boxes are in `test_parity_heads.py`."""

import math

import pytest
import torch
from helpers.tiny_monocular import CAMERA, ORIGINAL, project, ray_angle, seen_boxes
from torch import Tensor

from vision.heads.detection3d.decoding import Chosen, choose, decode, read_angle
from vision.ops.boxes3d import wrap_angle
from vision.ops.camera_views import CameraViews, camera_views

BINS = 12
INPUT = (384, 1280)
# Two objects: centre x y z, length, height, width, yaw.
BOXES = torch.tensor(
    [[2.0, 1.5, 20.0, 3.9, 1.6, 1.7, 0.4], [-6.0, 1.2, 35.0, 4.2, 1.4, 1.5, -3.0]],
    dtype=torch.float64,
)


def angle_code(alpha: Tensor) -> Tensor:
    """Predictions `(N, 2 * BINS)` of an angle."""
    step = 2 * math.pi / BINS
    index = (alpha % (2 * math.pi) / step).round().long() % BINS
    logits = torch.nn.functional.one_hot(index, BINS).double()
    rest = wrap_angle(alpha - index * step)
    return torch.cat([logits, logits * rest[:, None]], dim=-1)


def perfect(mean_sizes: Tensor) -> Chosen:
    """What a perfect network predicts for `BOXES`, of the classes 1 and 0."""
    labels = torch.tensor([1, 0])
    return Chosen(
        scores=torch.tensor([[0.9, 0.3]], dtype=torch.float64),
        labels=labels[None],
        boxes=seen_boxes(BOXES, INPUT)[None],
        sizes=(BOXES[:, [4, 5, 3]] - mean_sizes[labels])[None],
        depth=BOXES[None, :, 2],
        log_scale=torch.tensor([[0.0, 2.0]], dtype=torch.float64).log1p(),
        angles=angle_code(BOXES[:, 6] - ray_angle(BOXES))[None],
    )


def views(*, exact: bool) -> CameraViews:
    sizes = torch.tensor([INPUT]) if exact else None
    return camera_views(CAMERA[None].double(), torch.tensor([ORIGINAL]).double(), sizes)


@pytest.mark.parametrize("means", [0.0, 1.5])
def test_perfect_predictions_give_the_boxes(means: float) -> None:
    mean_sizes = torch.full((2, 3), means, dtype=torch.float64)
    found = decode(perfect(mean_sizes), views(exact=True), mean_sizes, 0.5)
    torch.testing.assert_close(found["boxes3d"][0], BOXES)
    assert found["count"].tolist() == [1]
    torch.testing.assert_close(found["scores"], torch.tensor([[0.9, 0.1]]).double())
    middle = found["boxes"][0, :, :2] + found["boxes"][0, :, 2:]
    places = project(BOXES[:, :3])
    offset = torch.tensor([4.0, 1.0], dtype=torch.float64)
    torch.testing.assert_close(middle / 2, places + offset)


def test_published_rows_are_stretched() -> None:
    """384 rows stand for 375 of the image, where 372.6 are right: 0.64 % about the middle."""
    mean_sizes = torch.zeros(2, 3, dtype=torch.float64)
    predictions = perfect(mean_sizes)
    exact, published = (
        decode(predictions, views(exact=exact), mean_sizes, 0.5)["boxes"] for exact in (True, False)
    )
    torch.testing.assert_close(published[..., 0::2], exact[..., 0::2])
    share = ORIGINAL[0] / (ORIGINAL[1] * INPUT[0] / INPUT[1])
    assert share == pytest.approx(1.0064, abs=1e-4)
    middle = ORIGINAL[0] / 2
    expected = (exact[..., 1::2] - middle) * share + middle
    torch.testing.assert_close(published[..., 1::2], expected)


def test_a_query_may_be_chosen_for_two_classes() -> None:
    logits = torch.tensor([[[2.0, 1.0], [-3.0, 0.0]]])
    values = torch.arange(2.0)[None]
    chosen = choose(
        {
            "logits": logits,
            "boxes": values[..., None].expand(-1, -1, 6),
            "sizes": values[..., None].expand(-1, -1, 3),
            "depth_m": values,
            "log_scale": values,
            "angles": values[..., None].expand(-1, -1, 24),
        },
        3,
    )
    assert chosen.labels.tolist() == [[0, 1, 1]]
    assert chosen.depth.tolist() == [[0, 0, 1]]
    assert chosen.boxes[0, :, 0].tolist() == [0, 0, 1]
    torch.testing.assert_close(chosen.scores, torch.tensor([[2.0, 1, 0]]).sigmoid())


def test_more_places_than_pairs() -> None:
    zeros = torch.zeros(1, 2)
    wide = torch.zeros(1, 2, 6)
    chosen = choose(
        {
            "logits": torch.zeros(1, 2, 3),
            "boxes": wide,
            "sizes": wide[..., :3],
            "depth_m": zeros,
            "log_scale": zeros,
            "angles": torch.zeros(1, 2, 24),
        },
        50,
    )
    assert chosen.scores.shape == (1, 6)


@pytest.mark.parametrize("angle", [0.0, 0.3, 1.6, -1.6, 3.1, -3.1, -0.2])
def test_an_angle_is_read_from_its_code(angle: float) -> None:
    found = read_angle(angle_code(torch.tensor([angle], dtype=torch.float64)))
    torch.testing.assert_close(found, torch.tensor([angle], dtype=torch.float64))
