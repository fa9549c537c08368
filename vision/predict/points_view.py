"""The demo page's view of a segmentation of point clouds."""

from typing import TYPE_CHECKING

import numpy as np
import torch

from vision.draw.clouds import View as Direction
from vision.draw.points import Panel, draw_panels, label_colors, legend_of, own_colors, with_legend
from vision.predict.demo_view import MAX_SHOWN, Cell, Control, View, chip, css_colour
from vision.predict.points import PointResult
from vision.predict.results import name_of, to_picture

if TYPE_CHECKING:
    from PIL.Image import Image

ELEVATION = 42.0


class PointsView(View):
    """The points from two sides, in their colours and in those of their classes, and a slider."""

    headings = ("class", "share of points", "points", "mean score")
    suffixes = (".ply", ".npy", ".npz", ".las", ".laz")
    given = "cloud"
    hint = "Give a file of points on the left: PLY, npy, npz or LAS."
    unreadable = "The file could not be read: give points as PLY, npy, npz or LAS."

    @property
    def control(self) -> Control:
        """Where the eye is."""
        return Control("Direction", "from which it is seen, in degrees", -180.0, 180.0, -60.0, 5.0)

    def draw(self, result: PointResult, setting: float) -> "Image":
        """The cloud from two opposite sides: its own colours beside those of the classes."""
        points, labels = result.points, result.labels.numpy()
        panels = [
            Panel("points", own_colors(points, result.colors)),
            Panel("classes", label_colors(labels, result.palette)),
        ]
        views = [Direction(setting + turn, ELEVATION) for turn in (0, 180)]
        picture = draw_panels(points, panels, views=views)
        return to_picture(with_legend(picture, legend_of([labels], result.names, result.palette)))

    def rows(self, result: PointResult, setting: float) -> list[list[Cell]]:
        """Name, share, number of points and mean score of each class that was found."""
        counts = torch.bincount(result.labels).tolist()
        sums = torch.bincount(result.labels, weights=result.scores.double()).tolist()
        order = sorted(range(len(counts)), key=lambda k: (-counts[k], k))
        return [
            [
                name_of(result.names, k),
                round(counts[k] / len(result.labels), 4),
                counts[k],
                round(sums[k] / counts[k], 4),
            ]
            for k in order
            if counts[k]
        ]

    def summary(self, result: PointResult, setting: float) -> str:
        """The classes in their colours, the largest first."""
        present = np.unique(result.labels.numpy())
        colors = {
            name_of(result.names, k): color
            for k, color in zip(
                present.tolist(), label_colors(present, result.palette).tolist(), strict=True
            )
        }
        shares = result.shares()
        chips = [chip(f"{n} {share:.1%}", css_colour(colors[n])) for n, share in shares.items()]
        title = f"<h3>{len(chips)} class{'' if len(chips) == 1 else 'es'}</h3>"
        return f'{title}<ul class="chips">{"".join(chips[:MAX_SHOWN])}</ul>'
