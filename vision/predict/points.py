"""Prediction of clouds of points: the class of each point of a file.

Letters: P points of a file.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from vision.callbacks.results.point_files import write_labels
from vision.data.base.point_samples import make_sample
from vision.data.formats.cloud_values import check_extent
from vision.data.loading.collate_points import collate_points
from vision.data.transforms.clouds import Cloud
from vision.data.transforms.rooms import PointEvalTransform
from vision.documents.csv_writing import write_table
from vision.draw.points import draw_labels, label_colors
from vision.errors import DataError, ImageError
from vision.ops.ply import write_ply
from vision.predict.options import PredictOptions
from vision.predict.point_sources import PointSources
from vision.predict.predictor import LoadedModel, Predictor, Seen, stored_transform
from vision.predict.results import Result, name_of, to_picture

if TYPE_CHECKING:
    from PIL.Image import Image

LABELS = "labels"
MEND = "Bring them to the unit of the files that the model was trained on"


@dataclass(kw_only=True, eq=False, repr=False)
class PointResult(Result):
    """The class of each point of a file, in its order.

    Attributes:
        image: `(3, P)` x, y and z of each point, as in the file.
        colors: uint8 `(P, 3)` RGB of each point; None if the file has none.
        labels: int64 `(P,)` class index.
        scores: float32 `(P,)` probability of that class.
        palette: uint8 `(K, 3)` RGB of each class; None uses ours.
    """

    colors: np.ndarray | None
    labels: Tensor
    scores: Tensor
    palette: np.ndarray | None = None

    @property
    def points(self) -> np.ndarray:
        """`(P, 3)` x, y and z of each point, as in the file."""
        return self.image.T.numpy()

    def shares(self) -> dict[str, float]:
        """Share of the points of each class that was found, by name, the largest first."""
        counts = torch.bincount(self.labels, minlength=len(self.names))
        order = counts.argsort(descending=True, stable=True).tolist()
        return {
            name_of(self.names, k): int(counts[k]) / len(self.labels) for k in order if counts[k]
        }

    def plot(self) -> "Image":
        """Draw the points from two sides: above in their colours, below in those of classes."""
        drawn = draw_labels(
            self.points, self.colors, self.labels.numpy(), names=self.names, palette=self.palette
        )
        return to_picture(drawn)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the points with their classes, or the output of `plot`, atomically.

        Args:
            path: The file; its folder is created if absent. `.ply` has the points in the colours of
                their classes, and the class index as the property `label`; `.npy` has the class
                indices, int64 `(P,)`; the suffix of a picture, such as `.png`, has the drawing.

        Returns:
            The path.

        Raises:
            ConfigError: The suffix belongs to none of these.
            DataError: The file cannot be written.
        """
        file, labels = Path(path), self.labels.numpy()
        suffix = file.suffix.lower()
        if suffix == ".ply":
            return write_ply(file, self.points, label_colors(labels, self.palette), labels)
        if suffix != ".npy":
            return super().save(file)
        try:
            write_labels(file, labels)
        except OSError as error:
            raise DataError(f"'{file}' cannot be written: {error.strerror or error}.") from error
        return file

    def to_dict(self, *, masks: bool = True) -> dict[str, Any]:
        """`path`, `index`, `size` (the number of points), and `shares` of each class by name."""
        return {**self._head(), "shares": self.shares()}

    def labels_found(self) -> list[str]:
        """The classes that have points."""
        return [*self.shares()]

    def _summary(self) -> str:
        shares = self.shares()
        found = [f"{name} {share:.1%}" for name, share in shares.items()]
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        return ", ".join(found[:3]) + more


class PointPredictor(Predictor):
    """Predicts clouds one by one; every point gets the class of its voxel."""

    collate = staticmethod(collate_points)
    one_by_one = True
    table = "predictions.csv"
    beside = (LABELS,)
    untiled = "which has whole clouds"
    instead_of_tiles = "Cut a cloud that is too large into several files."
    takes_frames = False
    embeds = False

    def __init__(self, model: LoadedModel) -> None:
        super().__init__(model)
        self.transform = stored_transform(model, PointEvalTransform)
        self.sources = PointSources(self.transform.full_color)
        palette = getattr(model.task, "palette", None)
        self.palette = None if palette is None else np.array(palette, np.uint8)

    def prepare(self, image: Cloud, path: str | None, index: int) -> dict[str, Any]:
        """One point of each voxel, and the voxel of each point; a cloud in memory is in metres."""
        name = f"cloud {index}" if path is None else path
        points = image.points if path is None else image.points * self.transform.unit_m
        try:
            check_extent(points, name, mend=MEND)
            changed = self.transform.change(image._replace(points=points, label=None), name)
        except DataError as error:
            raise ImageError(str(error)) from error
        return {**make_sample(changed, path=name, room=Path(name).stem)}

    def result(
        self, seen: Seen, prediction: Mapping[str, Any], options: PredictOptions
    ) -> PointResult:
        """The class of each point of a cloud."""
        cloud: Cloud = seen.image
        return PointResult(
            image=torch.from_numpy(np.ascontiguousarray(cloud.points)).T,
            path=seen.path,
            index=seen.index,
            names=self.names,
            colors=cloud.colors,
            labels=prediction["label"],
            scores=prediction["scores"],
            palette=self.palette,
        )

    def write(self, result: Result, folder: Path, name: str) -> dict[str, Any]:
        """Write the points with their classes; the line names the file."""
        assert isinstance(result, PointResult), "of the same kind"
        file = result.save(folder / LABELS / f"{name}.ply")
        return {**result.to_dict(), "labels": file.relative_to(folder).as_posix()}

    def write_table(
        self,
        path: Path,
        lines: Iterable[Mapping[str, Any]],
        ids: Mapping[str, int],
        category_ids: Sequence[int],
    ) -> None:
        """Write a row per cloud: its number of points, and the share of each class."""
        columns = ("image", "points", *self.names)
        rows = (
            (one["image"], one["size"][0], *(one["shares"].get(name, 0.0) for name in self.names))
            for one in lines
        )
        write_table(path, columns, rows)
