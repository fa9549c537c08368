"""How the input of a camera model lies in its original image, and what that image's camera sees.

Letters: B images.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from vision.ops.boxes import at_least_float32


class CameraViews(NamedTuple):
    """Views of B images, each scaled to the width of the input about the middle of the image.

    Attributes:
        cameras: float `(B, 3, 4)` projection of each original image: the third column is forward,
            the fourth is for a camera beside the origin of the frame.
        width: float `(B,)` of the original image in pixels.
        height: float `(B,)` of the original image in pixels.
        rows: float `(B,)`, pixels of the original image that all rows of the input stand for.
    """

    cameras: Tensor
    width: Tensor
    height: Tensor
    rows: Tensor

    def columns_px(self, x: Tensor) -> Tensor:
        """Columns of the original images, in pixels, of shares `(B, N)` of the input's width."""
        return x * self.width[:, None]

    def rows_px(self, y: Tensor) -> Tensor:
        """Rows of the original images, in pixels, of shares `(B, N)` of the input's height."""
        return (y - 0.5) * self.rows[:, None] + self.height[:, None] / 2


def camera_views(
    cameras: Tensor,
    original_sizes: Tensor,
    sizes: Tensor | None = None,
) -> CameraViews:
    """Views from sizes.

    Args:
        cameras: float `(B, 3, 4)` projection of each original image.
        original_sizes: `(B, 2)` height and width of each original image in pixels.
        sizes: `(B, 2)` height and width of each input in pixels: rows are then as far apart as
            columns, as they were when the image was scaled. None for the published convention,
            which stretches the rows of the input to those of the image: 384 of 1280 x 384 pixels to
            375, where 372.6 are right.
    """
    original = at_least_float32(original_sizes)
    height, width = original.unbind(dim=-1)
    rows = height if sizes is None else width * sizes[:, 0] / sizes[:, 1]
    return CameraViews(cameras, width, height, rows)


def locate(views: CameraViews, u: Tensor, v: Tensor, depth: Tensor) -> Tensor:
    """Points in front of cameras.

    Args:
        views: The cameras.
        u: float `(B, N)` columns in pixels of the original images.
        v: float `(B, N)` rows.
        depth: float `(B, N)` metres from the origin of the frame along the optical axis.

    Returns:
        float `(B, N, 3)`: x right, y down and z forward in metres.
    """
    cameras = views.cameras
    focal = torch.stack([cameras[:, 0, 0], cameras[:, 1, 1]], dim=-1)[:, None]  # (B, 1, 2)
    centre, shift = cameras[:, None, :2, 2], cameras[:, None, :2, 3]
    image = torch.stack([u, v], dim=-1)
    side = ((image - centre) * depth[..., None] - shift) / focal
    return torch.cat([side, depth[..., None]], dim=-1)
