"""Prediction of surface normals: a unit vector for each pixel."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from vision.draw.depth import blend
from vision.draw.normals import color_normals
from vision.ops.normal_writing import write_normals
from vision.predict.dense import DensePredictor
from vision.predict.options import PredictOptions
from vision.predict.predictor import Seen
from vision.predict.results import Result, check_form, to_picture

if TYPE_CHECKING:
    from PIL.Image import Image

FOLDER = "normals"
Form = Literal["drawing", "normals"]
# Directions of normals, in the frame x right, y down, z into the scene.
DIRECTIONS = {
    "camera": (0.0, 0.0, -1.0),
    "up": (0.0, -1.0, 0.0),
    "down": (0.0, 1.0, 0.0),
    "left": (-1.0, 0.0, 0.0),
    "right": (1.0, 0.0, 0.0),
}


@dataclass(kw_only=True, eq=False, repr=False)
class NormalsResult(Result):
    """The surface normal of each pixel of an image.

    Attributes:
        normals: float32 `(3, H, W)` unit vectors, in the size of the original image: x to the
            right, y down, z into the scene, towards the camera.
    """

    normals: Tensor

    def shares(self) -> dict[str, float]:
        """The share of pixels that face each of `DIRECTIONS` more than the others, largest first.

        `"camera"` is the wall that faces it, `"up"` a floor or a table, `"down"` a ceiling.
        """
        axes = torch.tensor(list(DIRECTIONS.values()))
        nearest = (axes @ self.normals.flatten(1)).argmax(dim=0)
        counts = torch.bincount(nearest, minlength=len(axes)).tolist()
        ordered = sorted(zip(DIRECTIONS, counts, strict=True), key=lambda one: -one[1])
        return {name: count / len(nearest) for name, count in ordered}

    def plot(self, *, opacity: float = 1.0) -> "Image":
        """Draw the normals: red, green and blue are x, y and z, each as (n + 1) / 2.

        Args:
            opacity: Opacity of the colours on the image, in [0, 1].
        """
        return to_picture(blend(color_normals(self.normals), self.image, opacity))

    def save(self, path: str | os.PathLike[str], form: Form = "drawing") -> Path:
        """Write the output of `plot`, or the normals themselves, atomically; the folder is made.

        Args:
            path: The file. For a drawing its suffix chooses the format, such as `.jpg` or `.png`.
                Normals are written as `.npy`, float32 `(H, W, 3)`, or as `.png`, RGB of 16 bits;
                `vision evaluate normals` reads both.
            form: `"drawing"`, or `"normals"`; `.npy` is always normals.

        Returns:
            The path.

        Raises:
            ConfigError: The form is unknown, or the suffix does not fit it.
            DataError: The file cannot be written.
        """
        if check_form(form, Form, path) == "drawing":
            return super().save(path)
        return write_normals(path, self.normals.permute(1, 2, 0).numpy())

    def to_dict(self, *, masks: bool = True) -> dict[str, Any]:
        """`path`, `index`, `size` and `normals`.

        The latter has the `mean` of the vectors, whose length is below 1 where they differ, and the
        `shares` of pixels by direction.
        """
        mean = self.normals.double().flatten(1).mean(dim=1).tolist()
        return {**self._head(), "normals": {"mean": mean, "shares": self.shares()}}

    def _summary(self) -> str:
        shown = list(self.shares().items())[:3]
        return ", ".join(f"{share:.0%} {name}" for name, share in shown)


class NormalsPredictor(DensePredictor):
    """Predicts the normals of pixels."""

    beside = (FOLDER,)
    key = "normals"

    def result(
        self, seen: Seen, prediction: Mapping[str, Any], options: PredictOptions
    ) -> NormalsResult:
        """The normal of each pixel of an image."""
        return NormalsResult(
            image=seen.image,
            path=seen.path,
            index=seen.index,
            names=self.names,
            # Cut off the rows and columns that extended a thin image.
            normals=prediction["normals"][:, : seen.image.shape[1], : seen.image.shape[2]],
        )

    def write(self, result: Result, folder: Path, name: str) -> dict[str, Any]:
        """Write the normals as RGB PNG of 16 bits; the line names the file."""
        assert isinstance(result, NormalsResult), "of the same kind"
        file = result.save(folder / FOLDER / f"{name}.png", "normals")
        return {**result.to_dict(), "file": file.relative_to(folder).as_posix()}
