"""Prediction of images with any number of classes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from vision.documents.csv_writing import write_table
from vision.draw.labels import draw_labels
from vision.predict.classification import ClassificationPredictor
from vision.predict.options import PredictOptions
from vision.predict.predictor import Seen
from vision.predict.results import Result, import_optional, name_of, to_picture

if TYPE_CHECKING:
    from PIL.Image import Image

COLUMNS = ("path", "labels", "names", "scores")
SEPARATOR = ";"


@dataclass(kw_only=True, eq=False, repr=False)
class MultiLabelResult(Result):
    """The classes of an image.

    Attributes:
        labels: Class indices that are present, most probable first.
        scores: float32 `(K,)` probability of each class by itself.
    """

    labels: list[int]
    scores: Tensor

    def present(self) -> list[tuple[str, float]]:
        """Names and probabilities of the classes that are present, most probable first."""
        return [(name, score) for _, name, score in self._ranked()]

    def _ranked(self) -> list[tuple[int, str, float]]:
        scores = self.scores[self.labels].tolist()
        names = [name_of(self.names, label) for label in self.labels]
        return list(zip(self.labels, names, scores, strict=True))

    def __len__(self) -> int:
        return len(self.labels)

    def plot(self) -> "Image":
        """Draw the image with the classes that are present, if any, below."""
        ranked = self._ranked()
        return to_picture(draw_labels(self.image, ranked) if ranked else self.image)

    def to_dict(self, *, masks: bool = True) -> dict[str, Any]:
        """`path`, `index`, `size`, and `classes`: label, name and score of those present."""
        found = [{"label": i, "name": name, "score": s} for i, name, s in self._ranked()]
        return {**self._head(), "classes": found}

    def to_supervision(self) -> Any:
        """`supervision.Classifications` of the classes that are present, most probable first."""
        supervision = import_optional("supervision", extra="supervision")
        return supervision.Classifications(
            class_id=np.array(self.labels, dtype=np.int64),
            confidence=self.scores[self.labels].numpy(),
        )

    def _summary(self) -> str:
        return ", ".join(f"{name} {score:.1%}" for name, score in self.present()) or "no class"


class MultiLabelPredictor(ClassificationPredictor):
    """Predicts sets of classes, with the evaluation transform of the training data."""

    def result(  # type: ignore[override]
        self, seen: Seen, prediction: Mapping[str, Any], options: PredictOptions
    ) -> MultiLabelResult:
        """The classes of an image."""
        return MultiLabelResult(
            image=seen.image,
            path=seen.path,
            index=seen.index,
            names=self.names,
            labels=prediction["labels"].tolist(),
            scores=prediction["scores"],
        )

    def write_table(
        self,
        path: Path,
        lines: Iterable[Mapping[str, Any]],
        ids: Mapping[str, int],
        category_ids: Sequence[int],
    ) -> None:
        """Write a row per image: its path, and labels, names and scores between semicolons."""
        rows = (
            (
                one["image"],
                *(
                    SEPARATOR.join(str(found[key]) for found in one["classes"])
                    for key in ("label", "name")
                ),
                SEPARATOR.join(f"{found['score']:.6f}" for found in one["classes"]),
            )
            for one in lines
        )
        write_table(path, COLUMNS, rows)
