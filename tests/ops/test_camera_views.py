"""Points from places and depths; whole boxes are in `tests/heads/detection3d/test_decoding.py`."""

import torch
from helpers.tiny_monocular import CAMERA

from vision.ops.camera_views import camera_views, locate


def test_a_point_is_found_where_it_was_seen() -> None:
    """The camera stands beside the origin of the frame, by the fourth column."""
    cameras = CAMERA.double()[None]
    points = torch.tensor([[[3.0, -1, 12], [-20, 2, 55]]], dtype=torch.float64)
    whole = torch.cat([points, torch.ones(1, 2, 1, dtype=torch.float64)], dim=-1)
    seen = (whole @ cameras.transpose(1, 2))[..., :2] / points[..., 2:]
    views = camera_views(cameras, torch.tensor([[375, 1242]]))
    found = locate(views, seen[..., 0], seen[..., 1], points[..., 2])
    torch.testing.assert_close(found, points)


def test_rows_lie_around_the_middle() -> None:
    views = camera_views(CAMERA[None], torch.tensor([[375, 1242]]), torch.tensor([[384, 1280]]))
    torch.testing.assert_close(views.rows, torch.tensor([372.6]))
    rows = views.rows_px(torch.tensor([[0.0, 0.5, 1.0]]))
    torch.testing.assert_close(rows, torch.tensor([[1.2, 187.5, 373.8]]))
    columns = views.columns_px(torch.tensor([[0.0, 0.5, 1.0]]))
    torch.testing.assert_close(columns, torch.tensor([[0.0, 621, 1242]]))
