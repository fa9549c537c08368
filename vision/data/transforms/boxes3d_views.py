"""How the input of a camera model lies in its image: one scale, a place, and maybe a mirror.

Places count pixels as the file's annotations and its camera do; nothing is added for the middle of
a pixel, as in published code, which at a scale near 1 is a hundredth of a pixel.
"""

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vision.data.transforms.geometry import Size

# Pixels by which a border may be missed through rounding.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class ImageView:
    """A map of the pixels, points, boxes and the camera of an image to an input.

    Attributes:
        image_size: Height and width of the image in pixels.
        size: Height and width of the input in pixels.
        crop_scale: Width of the part of the image that the input shows, in widths of the image.
        shift: How far the middle of that part is from the middle of the image, which is mirrored
            before: columns and rows, in shares of its width and height.
        flip: Whether the image is mirrored.
    """

    image_size: Size
    size: Size
    crop_scale: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)
    flip: bool = False

    @property
    def scale(self) -> float:
        """Pixels of the input per pixel of the image."""
        return self.size[1] / (self.image_size[1] * self.crop_scale)

    @property
    def offset(self) -> tuple[float, float]:
        """Column and row of the input where the mirrored image begins."""
        column, row = (
            side / 2 - self.scale * length * (0.5 + shift)
            for side, length, shift in zip(
                self.size[::-1], self.image_size[::-1], self.shift, strict=True
            )
        )
        return column, row

    @property
    def matrix(self) -> np.ndarray:
        """The map of columns and rows, float64 `(3, 3)` on homogeneous places."""
        x, y = self.offset
        moved = np.array([[self.scale, 0, x], [0, self.scale, y], [0, 0, 1]])
        if not self.flip:
            return moved
        return moved @ [[-1, 0, self.image_size[1]], [0, 1, 0], [0, 0, 1]]

    def points(self, points: np.ndarray) -> np.ndarray:
        """Map places `(..., 2)`, columns and rows in pixels of the image."""
        matrix = self.matrix
        return points @ matrix[:2, :2].T + matrix[:2, 2]

    def boxes(self, boxes: np.ndarray) -> np.ndarray:
        """Map boxes `(N, 4)`, xyxy in pixels of the image, without clipping."""
        corners = self.points(boxes.reshape(-1, 2)).reshape(-1, 4)
        return corners[:, [2, 1, 0, 3]] if self.flip else corners

    def camera(self, camera: np.ndarray) -> np.ndarray:
        """The projection `(3, 4)` to the input, of that to the image.

        It projects what `boxes3d` returns. Focal lengths stay positive: a mirrored image is that of
        a mirrored world.
        """
        moved = self.matrix @ camera
        return moved * [-1, 1, 1, 1] if self.flip else moved

    def boxes3d(self, boxes: np.ndarray) -> np.ndarray:
        """Boxes `(N, 7)` in the frame of the camera, in the mirrored world if `flip`."""
        if not self.flip:
            return boxes
        mirrored = boxes * [-1, 1, 1, 1, 1, 1, -1]
        mirrored[:, 6] += np.pi
        return mirrored

    def draw(self, image: Tensor) -> Tensor:
        """The input, of an image, uint8 `(3, H, W)`; what the image does not cover is black.

        It is interpolated bilinearly, with a wider filter where it shrinks.
        """
        pixels = image.permute(1, 2, 0).contiguous().numpy()
        source = Image.fromarray(pixels)
        if self.flip:
            source = source.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        (left, right), (top, bottom) = (
            _covered(offset, self.scale * length, side)
            for offset, length, side in zip(
                self.offset, self.image_size[::-1], self.size[::-1], strict=True
            )
        )
        result = np.zeros((*self.size, 3), dtype=np.uint8)
        if left < right and top < bottom:
            (x, y), (columns, rows) = self.offset, source.size
            box = (
                max((left - x) / self.scale, 0),
                max((top - y) / self.scale, 0),
                min((right - x) / self.scale, columns),
                min((bottom - y) / self.scale, rows),
            )
            part = source.resize((right - left, bottom - top), Image.Resampling.BILINEAR, box=box)
            result[top:bottom, left:right] = np.asarray(part)
        return torch.from_numpy(result).permute(2, 0, 1)


def _covered(offset: float, length: float, side: int) -> tuple[int, int]:
    """The first pixel of the input that an image covers whole, and the one after the last."""
    first = int(np.ceil(offset - _ROUNDING))
    last = int(np.floor(offset + length + _ROUNDING))
    return min(max(first, 0), side), min(max(last, 0), side)
