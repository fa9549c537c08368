"""The demo page's view of a segmentation of volumes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from vision.draw.figure import class_color
from vision.draw.volumes import UPRIGHT, centre_of
from vision.ops.volume_axes import orientation_of, reorient, reoriented_affine
from vision.predict.demo_view import MAX_SHOWN, Cell, Control, View, chip, css_colour
from vision.predict.volumes import VolumeResult

if TYPE_CHECKING:
    from PIL.Image import Image

# Places of the three planes, as shares of the volume: to the right, to the front, upwards.
Planes = tuple[float, float, float]
MIDDLE = 50.0


class VolumesView(View):
    """Three planes with outlines, one slider each, and the volume of each region."""

    headings = ("region", "ml", "middle: x %", "y %", "z %")
    suffixes = (".nii", ".gz")
    given = "volume"
    hint = "Give a NIfTI file of all modalities, or a file of each, on the left."
    unreadable = "The files could not be read: give NIfTI files, .nii or .nii.gz."

    @property
    def control(self) -> Control:
        """The plane across the axis from left to right."""
        return self.controls[0]

    @property
    def controls(self) -> tuple[Control, ...]:
        """The places of the planes."""
        places = (
            ("Sagittal plane", "x: from left to right, in %"),
            ("Coronal plane", "y: from the back to the front, in %"),
            ("Axial plane", "z: from below to above, in %"),
        )
        return tuple(Control(name, about, 0.0, 100.0, MIDDLE, 1.0) for name, about in places)

    def setting(self, values: Sequence[float]) -> Planes:
        """The three places, in [0, 1]."""
        x, y, z = (value / 100 for value in values)
        return x, y, z

    def draw(self, result: VolumeResult, setting: Planes) -> "Image":
        """The three planes."""
        affine, sides = _upright(result)
        cell = np.array(setting) * sides
        return result.plot(centre_mm=affine[:3, :3] @ cell + affine[:3, 3])

    def rows(self, result: VolumeResult, setting: Planes) -> list[list[Cell]]:
        """Name, millilitres and the middle of the largest part of each region that was found."""
        affine, sides = _upright(result)
        inverse = np.linalg.inv(affine)
        rows: list[list[Cell]] = []
        for name, mask in result.masks().items():
            if mask.any():
                place = inverse[:3] @ [*centre_of(mask, result.header.affine), 1]
                shares = (100 * place / np.maximum(sides, 1)).round(1).tolist()
                rows.append([name, round(result.volumes_ml()[name], 3), *shares])
        return rows

    def summary(self, result: VolumeResult, setting: Planes) -> str:
        """The regions in the colours of their outlines."""
        found = [
            chip(f"{name} {ml:.2f} ml", css_colour(class_color(number)))
            for number, (name, ml) in enumerate(result.volumes_ml().items(), start=1)
            if ml > 0
        ]
        title = f"<h3>{len(found)} region{'' if len(found) == 1 else 's'}</h3>"
        return f'{title}<ul class="chips">{"".join(found[:MAX_SHOWN])}</ul>'


def _upright(result: VolumeResult) -> tuple[np.ndarray, np.ndarray]:
    """The affine of the cells along x, y and z, and the index of the last one along each."""
    header = result.header
    affine = reoriented_affine(header.affine, header.shape, UPRIGHT)
    turned = reorient(np.empty(header.shape, bool), orientation_of(header.affine), UPRIGHT)
    return affine, np.array(turned.shape) - 1
