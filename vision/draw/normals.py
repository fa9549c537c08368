"""Pictures of surface normals: red, green and blue are x, y and z, each as (n + 1) / 2.

In the frame of the suite, x points to the right, y down and z into the scene, and normals point
towards the camera. So a wall that faces the camera (0, 0, -1) is olive, a floor (0, -1, 0) purple
and a ceiling (0, 1, 0) light green; what faces to the right (1, 0, 0) is pink, and to the left
(-1, 0, 0) teal. Pictures of a frame whose y points up, or z out of the scene, have other colours.

Letters: H rows, W columns.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from vision.draw.example_rows import draw_rows
from vision.draw.pixels import mark_missing, to_tensor
from vision.draw.ramps import ERROR, ramp_colors
from vision.draw.scales import add_strips, scale_strip
from vision.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The angle at which the colours of errors end, in degrees.
MAX_ANGLE = 60.0
COLUMNS = ("image", "ground truth", "prediction", "angle between them")


def color_normals(normals: Tensor) -> Tensor:
    """The colours of normals; pixels without one are grey with light stripes.

    Args:
        normals: float `(3, H, W)` unit vectors, zero or NaN where there is none.

    Returns:
        uint8 `(3, H, W)` RGB.

    Raises:
        ConfigError: The map has another shape.
    """
    vectors = _vectors(normals)
    missing = ~_known(vectors)
    picture = 255 * (np.nan_to_num(vectors) + 1) / 2
    mark_missing(picture, missing)
    return to_tensor(picture)


def draw_normals_errors(prediction: Tensor, target: Tensor) -> Tensor:
    """Show the angle between two maps of normals: white is 0, dark red 60 degrees and more.

    Args:
        prediction: float `(3, H, W)` unit vectors.
        target: Likewise; where it is zero or NaN, the picture is grey with light stripes.

    Returns:
        uint8 `(3, H, W)` RGB.

    Raises:
        ConfigError: The shapes do not agree.
    """
    found, true = _vectors(prediction), _vectors(target)
    if found.shape != true.shape:
        raise ConfigError(
            f"a prediction of {found.shape[:2]} pixels does not fit a target of {true.shape[:2]}."
        )
    missing = ~_known(true)
    cosines = (found * np.nan_to_num(true)).sum(axis=-1).clip(-1, 1)
    picture = ramp_colors(np.degrees(np.arccos(cosines)) / MAX_ANGLE, ERROR)
    mark_missing(picture, missing)
    return to_tensor(picture)


@dataclass(frozen=True)
class NormalsExample:
    """An image with its true and predicted normals.

    Attributes:
        title: A line above it.
        image: uint8 `(3, H, W)` RGB.
        prediction: float `(3, H, W)` unit vectors.
        target: Likewise; zero or NaN where there is none.
    """

    title: str
    image: Tensor
    prediction: Tensor
    target: Tensor


def draw_examples(examples: Iterable[NormalsExample]) -> "Figure":
    """Draw a row for each image: the image, its target, its prediction and the errors.

    Args:
        examples: At least one; only one is held in its full size at a time.

    Returns:
        A figure for `save_png`.

    Raises:
        ConfigError: There are no examples, or one cannot be drawn.
    """

    def rows() -> Iterator[tuple[str, tuple[Tensor, ...]]]:
        for example in examples:
            pictures = (
                example.image,
                color_normals(example.target),
                color_normals(example.prediction),
                draw_normals_errors(example.prediction, example.target),
            )
            yield example.title, add_strips(pictures, (None, None, None, _angle_strip))

    return draw_rows(rows(), COLUMNS)


def _angle_strip(width: int, size_px: int) -> np.ndarray:
    ticks = [(angle / MAX_ANGLE, f"{angle}°") for angle in range(0, round(MAX_ANGLE) + 1, 15)]
    return scale_strip(width, size_px, ERROR, ticks, "")


def _vectors(normals: Tensor) -> np.ndarray:
    """Normals as float64 `(H, W, 3)`."""
    if normals.ndim != 3 or normals.shape[0] != 3 or not normals.is_floating_point():
        raise ConfigError(
            f"normals of {normals.dtype} {tuple(normals.shape)} cannot be drawn: give float "
            "(3, H, W) unit vectors."
        )
    return normals.detach().permute(1, 2, 0).cpu().double().numpy()


def _known(vectors: np.ndarray) -> np.ndarray:
    return np.isfinite(vectors).all(axis=-1) & (vectors != 0).any(axis=-1)
