"""Pictures of depth: near pixels are light and far ones dark, with a scale in metres."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from vision.contracts.depth import NO_READING
from vision.draw.example_rows import draw_rows
from vision.draw.pixels import mark_missing, to_pixels, to_tensor
from vision.draw.ramps import DEPTH, SIGNED, ramp_colors
from vision.draw.scales import (
    MIN_WIDTH,
    add_strip,
    add_strips,
    round_ticks,
    scale_strip,
    type_size,
)
from vision.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Shares of the readings that are nearer and farther than the colours go: single wrong readings
# would else leave few colours for the others.
CLIPPED = 0.01
# Farther than so many times the nearest depth, equal steps of colour are equal factors of depth.
LOG_FROM = 8.0
# The relative error at which the colours of errors end.
MAX_ERROR = 0.25
COLUMNS = ("image", "ground truth", "prediction", "relative error")
NONE_KNOWN = (1.0, 2.0)  # metres, where there is no reading


@dataclass(frozen=True)
class DepthSpan:
    """The depths between which colours change.

    Attributes:
        near_m: Depth of the lightest colour in metres; above 0.
        far_m: Depth of the darkest colour in metres; above `near_m`.

    Raises:
        ConfigError: They are not in this order.
    """

    near_m: float
    far_m: float

    def __post_init__(self) -> None:
        if not 0 < self.near_m < self.far_m < math.inf:
            raise ConfigError(
                f"colours from {self.near_m} m to {self.far_m} m: expected 0 < near_m < far_m."
            )

    @property
    def log(self) -> bool:
        """Whether equal steps of colour are equal factors of depth, as for a long span."""
        return self.far_m > LOG_FROM * self.near_m

    def places(self, depth: np.ndarray) -> np.ndarray:
        """Where depths in metres lie in the span: 0 is near, 1 far; others lie outside."""
        if not self.log:
            return (depth - self.near_m) / (self.far_m - self.near_m)
        small = np.finfo(np.float32).tiny
        logs = np.log(np.maximum(depth, small) / self.near_m)
        return logs / math.log(self.far_m / self.near_m)


def depth_span(*depths: Tensor) -> DepthSpan:
    """The span of the readings of some maps, but for a few at both ends.

    Args:
        depths: Each float `(H, W)` metres, `NO_READING` where there is none.
    """
    ends = [_ends(depth) for depth in depths]
    known = [pair for pair in ends if pair is not None]
    if not known:
        return DepthSpan(*NONE_KNOWN)
    near, far = min(low for low, _ in known), max(high for _, high in known)
    # A plane that faces the camera has one depth.
    return DepthSpan(near, far) if far > 1.02 * near else DepthSpan(near / 1.25, 1.25 * near)


def color_depth(depth: Tensor, span: DepthSpan | None = None) -> Tensor:
    """The colours of depths; pixels without a reading are grey with light stripes.

    Args:
        depth: float `(H, W)` metres, `NO_READING` where there is none.
        span: The depths between which colours change; None takes those of `depth_span`.

    Returns:
        uint8 `(3, H, W)` RGB.

    Raises:
        ConfigError: The map has another shape.
    """
    meters = _meters(depth)
    span = span or depth_span(depth)
    missing = ~_known(meters)
    picture = ramp_colors(span.places(np.where(missing, span.near_m, meters)), DEPTH)
    mark_missing(picture, missing)
    return to_tensor(picture)


def add_scale(picture: Tensor, span: DepthSpan) -> Tensor:
    """Put a scale in metres below a picture.

    Args:
        picture: uint8 `(3, H, W)` RGB.
        span: The depths at both ends of the scale.

    Returns:
        uint8 `(3, H', W')` RGB, as wide as the picture, if that is wide enough for the numbers.
    """
    return add_strip(picture, partial(_strip, span))


def draw_inside(picture: Tensor, span: DepthSpan) -> Tensor:
    """Put a scale in metres over the last rows of a picture, which keeps its size.

    Args:
        picture: uint8 `(3, H, W)` RGB.
        span: The depths at both ends of the scale.

    Returns:
        uint8 `(3, H, W)` RGB; unchanged if it is too small for a scale.
    """
    height, width = picture.shape[1:]
    strip = _strip(span, width, type_size(height, width)) if width >= MIN_WIDTH else None
    if strip is None or len(strip) > height // 2:
        return picture
    pixels = to_pixels(picture)
    pixels[height - len(strip) :] = strip
    return to_tensor(pixels)


def draw_depth(
    depth: Tensor,
    image: Tensor | None = None,
    *,
    span: DepthSpan | None = None,
    opacity: float = 1.0,
) -> Tensor:
    """Draw depth with a scale in metres below it.

    Args:
        depth: float `(H, W)` metres, `NO_READING` where there is none.
        image: uint8 `(3, H, W)` RGB, which shows through the colours.
        span: As in `color_depth`.
        opacity: Opacity of the colours on the image, in [0, 1].

    Returns:
        uint8 `(3, H', W')` RGB.

    Raises:
        ConfigError: The shapes do not agree.
    """
    span = span or depth_span(depth)
    return add_scale(blend(color_depth(depth, span), image, opacity), span)


def blend(picture: Tensor, image: Tensor | None, opacity: float) -> Tensor:
    """A picture on an image of its size, uint8 `(3, H, W)` RGB both.

    Raises:
        ConfigError: The shapes do not agree.
    """
    if image is None or opacity == 1:
        return picture
    if image.shape != picture.shape:
        raise ConfigError(
            f"a map of {picture.shape[1]} x {picture.shape[2]} pixels does not fit an image of "
            f"{image.shape[1]} x {image.shape[2]} pixels (height x width)."
        )
    below = to_pixels(image)
    return to_tensor(below + opacity * (to_pixels(picture) - below))


def draw_depth_errors(prediction: Tensor, target: Tensor) -> Tensor:
    """Show relative errors: blue is too near and red too far, both in full colour from 25 % on.

    Args:
        prediction: float `(H, W)` metres.
        target: float `(H, W)` metres; where there is no reading it is grey with light stripes.

    Returns:
        uint8 `(3, H, W)` RGB.

    Raises:
        ConfigError: The shapes do not agree.
    """
    found, true = _meters(prediction), _meters(target)
    if found.shape != true.shape:
        raise ConfigError(
            f"a prediction of {found.shape} pixels does not fit a target of {true.shape}."
        )
    missing = ~_known(true)
    relative = found / np.where(missing, 1.0, true) - 1
    picture = ramp_colors(0.5 + relative / (2 * MAX_ERROR), SIGNED)
    mark_missing(picture, missing)
    return to_tensor(picture)


@dataclass(frozen=True)
class DepthExample:
    """An image with its true and predicted depth.

    Attributes:
        title: A line above it.
        image: uint8 `(3, H, W)` RGB.
        prediction: float `(H, W)` metres.
        target: float `(H, W)` metres, `NO_READING` where there is none.
    """

    title: str
    image: Tensor
    prediction: Tensor
    target: Tensor


def draw_examples(examples: Iterable[DepthExample]) -> "Figure":
    """Draw a row for each image: the image, its target, its prediction and the errors.

    Target and prediction have the scale of the target, below them in metres.

    Args:
        examples: At least one; only one is held in its full size at a time.

    Returns:
        A figure for `save_png`.

    Raises:
        ConfigError: There are no examples, or one cannot be drawn.
    """

    def rows() -> Iterator[tuple[str, tuple[Tensor, ...]]]:
        for example in examples:
            span = depth_span(example.target)
            pictures = (
                example.image,
                color_depth(example.target, span),
                color_depth(example.prediction, span),
                draw_depth_errors(example.prediction, example.target),
            )
            scale = partial(_strip, span)
            yield example.title, add_strips(pictures, (None, scale, scale, _error_strip))

    return draw_rows(rows(), COLUMNS)


def meters(value: float) -> str:
    """A depth for a label: `"0.5"`, `"12"`."""
    return f"{value:.10g}" if value < 1e4 else f"{value:,.0f}"


def _strip(span: DepthSpan, width: int, size_px: int) -> np.ndarray:
    ticks = np.array(round_ticks(span.near_m, span.far_m, log=span.log))
    placed = zip(span.places(ticks).tolist(), map(meters, ticks.tolist()), strict=True)
    return scale_strip(width, size_px, DEPTH, list(placed), "m")


def _error_strip(width: int, size_px: int) -> np.ndarray:
    ends = [(0.0, -MAX_ERROR), (0.5, 0.0), (1.0, MAX_ERROR)]
    ticks = [(place, f"{value:+.0%}" if value else "0") for place, value in ends]
    return scale_strip(width, size_px, SIGNED, ticks, "")


def _ends(depth: Tensor) -> tuple[float, float] | None:
    meters = _meters(depth)
    known = meters[_known(meters)]
    if not len(known):
        return None
    low, high = np.quantile(known, (CLIPPED, 1 - CLIPPED))
    return float(low), float(high)


def _meters(depth: Tensor) -> np.ndarray:
    if depth.ndim != 2 or not depth.is_floating_point():
        raise ConfigError(
            f"depth of {depth.dtype} {tuple(depth.shape)} cannot be drawn: give float (H, W) in "
            "metres."
        )
    return depth.detach().cpu().double().numpy()


def _known(meters: np.ndarray) -> np.ndarray:
    return np.isfinite(meters) & (meters > NO_READING)
