"""Prediction of depth: metres for each pixel."""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from torch import Tensor

from vision.contracts.depth import NO_READING
from vision.draw.depth import DepthSpan, color_depth, depth_span, draw_depth, draw_inside
from vision.ops.camera import back_project, check_camera
from vision.ops.depth_writing import usual_scale, write_depth
from vision.predict.dense import DensePredictor
from vision.predict.options import PredictOptions
from vision.predict.point_cloud import PointCloud
from vision.predict.predictor import Seen
from vision.predict.results import Result, check_form, to_picture

if TYPE_CHECKING:
    from PIL.Image import Image

FOLDER = "depth"
Form = Literal["drawing", "depth"]
# How far the colours of a video follow those of its next frame, so that they do not flicker.
FOLLOWED = 0.1


@dataclass(kw_only=True, eq=False, repr=False)
class DepthResult(Result):
    """The depth of each pixel of an image.

    Attributes:
        depth: float32 `(H, W)` metres along the optical axis, in the size of the original image;
            `NO_READING` where there is none.
        scale: Value of one metre in the PNG files of the model's depth.
    """

    depth: Tensor
    scale: float | None = None

    def plot(self, *, opacity: float = 1.0, span: DepthSpan | None = None) -> "Image":
        """Draw the depth, near light and far dark, with a scale in metres below it.

        Args:
            opacity: Opacity of the colours on the image, in [0, 1].
            span: The depths between which colours change; None takes those of the result.
        """
        return to_picture(draw_depth(self.depth, self.image, opacity=opacity, span=span))

    def save(self, path: str | os.PathLike[str], form: Form = "drawing") -> Path:
        """Write the output of `plot`, or the depth itself, atomically; the folder is made.

        Args:
            path: The file. For a drawing its suffix chooses the format, such as `.jpg` or `.png`.
                Depth is written as `.npy`, float32 metres, or as `.png`, grey of 16 bits, whose
                text states the value of one metre; `vision evaluate depth` reads both.
            form: `"drawing"`, or `"depth"`; `.npy` is always depth.

        Returns:
            The path.

        Raises:
            ConfigError: The form is unknown, or the suffix does not fit it.
            DataError: The file cannot be written.
        """
        if check_form(form, Form, path) == "drawing":
            return super().save(path)
        return write_depth(path, self.depth.numpy(), scale=self.scale)

    def to_points(
        self,
        camera: Sequence[float],
        *,
        max_depth: float = math.inf,
        path: str | os.PathLike[str] | None = None,
    ) -> PointCloud:
        """The point in space of each pixel that has a depth, with its colour.

        Args:
            camera: `(fx, fy, cx, cy)`, focal lengths and principal point in pixels of the original
                image; the centre of its top left pixel is (0, 0).
            max_depth: Farther pixels are left out, in metres.
            path: A PLY file to write them to; None for none.

        Raises:
            ConfigError: The camera is not four numbers with positive focal lengths.
            DataError: The file cannot be written.
        """
        depth = self.depth.double().numpy()
        known = np.isfinite(depth) & (depth > NO_READING) & (depth <= max_depth)
        points = back_project(depth, check_camera(camera))[known]
        cloud = PointCloud(points.astype(np.float32), self.image.permute(1, 2, 0).numpy()[known])
        if path is not None:
            cloud.save(path)
        return cloud

    def to_dict(self, *, masks: bool = True) -> dict[str, Any]:
        """`path`, `index`, `size` and `depth`.

        The latter has `min`, `median` and `max` in metres, None without any depth, and `share` of
        the pixels that have one.
        """
        known = self.depth[self.depth.isfinite() & (self.depth > NO_READING)]
        numbers: dict[str, float | None] = dict.fromkeys(("min", "median", "max"))
        if len(known):
            ordered = np.quantile(known.double().numpy(), (0, 0.5, 1)).tolist()
            numbers = dict(zip(numbers, ordered, strict=True))
        share = len(known) / self.depth.numel()
        return {**self._head(), "depth": {**numbers, "share": share}}

    def _summary(self) -> str:
        low, median, high, _ = self.to_dict()["depth"].values()
        if median is None:
            return "no depth"
        return f"{low:.2f} to {high:.2f} m, median {median:.2f} m"


class DepthPredictor(DensePredictor):
    """Predicts the depth of pixels."""

    beside = (FOLDER,)
    key = "depth"

    def result(
        self, seen: Seen, prediction: Mapping[str, Any], options: PredictOptions
    ) -> DepthResult:
        """The depth of each pixel of an image."""
        task: Any = self.model.task
        return DepthResult(
            image=seen.image,
            path=seen.path,
            index=seen.index,
            names=self.names,
            # Cut off the rows and columns that extended a thin image.
            depth=prediction["depth"][: seen.image.shape[1], : seen.image.shape[2]],
            scale=usual_scale(task.max_depth),
        )

    def write(self, result: Result, folder: Path, name: str) -> dict[str, Any]:
        """Write the depth as PNG of 16 bits that states its scale; the line names the file."""
        assert isinstance(result, DepthResult), "of the same kind"
        file = result.save(folder / FOLDER / f"{name}.png", "depth")
        return {**result.to_dict(), "file": file.relative_to(folder).as_posix()}

    def frame_drawer(self) -> "Callable[[Any], Image]":
        """Colours that follow the depths of a video slowly, with the scale inside each frame."""
        spans: list[DepthSpan] = []

        def draw(result: DepthResult) -> "Image":
            now = depth_span(result.depth)
            spans[:] = [_follow(spans[0], now) if spans else now]
            return to_picture(draw_inside(color_depth(result.depth, spans[0]), spans[0]))

        return draw


def _follow(before: DepthSpan, now: DepthSpan) -> DepthSpan:
    """The span of the next frame."""
    ends = zip((before.near_m, before.far_m), (now.near_m, now.far_m), strict=True)
    near, far = (old ** (1 - FOLLOWED) * new**FOLLOWED for old, new in ends)
    return DepthSpan(near, far)
