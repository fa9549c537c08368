"""Prediction of classification: one class per image."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from vision.data.loading.collate import collate_images
from vision.data.transforms.classification import EvalTransform
from vision.documents.csv_writing import write_table
from vision.draw.labels import draw_labels
from vision.predict.options import PredictOptions
from vision.predict.predictor import LoadedModel, Predictor, Seen, build_transform
from vision.predict.results import Result, import_optional, name_of, to_picture

if TYPE_CHECKING:
    from PIL.Image import Image

logger = logging.getLogger(__name__)

COLUMNS = ("path", "label", "name", "score")
TOP = 5


@dataclass(kw_only=True, eq=False, repr=False)
class ClassificationResult(Result):
    """The class of an image.

    Attributes:
        label: Class index of the highest score.
        scores: float32 `(K,)` class probabilities that sum to one.
    """

    label: int
    scores: Tensor

    @property
    def name(self) -> str:
        """Name of the class."""
        return name_of(self.names, self.label)

    @property
    def score(self) -> float:
        """Its probability, in [0, 1]."""
        return float(self.scores[self.label])

    def top(self, k: int = TOP) -> list[tuple[str, float]]:
        """Names and probabilities of the `k` most probable classes, most probable first."""
        return [(name, score) for _, name, score in self._ranked(k)]

    def _ranked(self, k: int) -> list[tuple[int, str, float]]:
        scores, labels = self.scores.topk(min(max(k, 1), len(self.scores)))
        return [
            (label, name_of(self.names, label), score)
            for label, score in zip(labels.tolist(), scores.tolist(), strict=True)
        ]

    def __len__(self) -> int:
        return len(self.scores)

    def plot(self, *, top: int = 3) -> "Image":
        """Draw the image with its most probable classes below.

        Args:
            top: Number of classes.
        """
        return to_picture(draw_labels(self.image, self._ranked(top)))

    def to_dict(self, *, masks: bool = True) -> dict[str, Any]:
        """`path`, `index`, `size`, `label`, `name`, `score`, and `top`: five classes at most."""
        ranked = [{"label": i, "name": name, "score": s} for i, name, s in self._ranked(TOP)]
        chosen = {"label": self.label, "name": self.name, "score": self.score}
        return {**self._head(), **chosen, "top": ranked}

    def to_supervision(self) -> Any:
        """`supervision.Classifications` of all classes, most probable first."""
        supervision = import_optional("supervision", extra="supervision")
        order = self.scores.argsort(descending=True, stable=True).numpy()
        return supervision.Classifications(
            class_id=order.astype(np.int64), confidence=self.scores.numpy()[order]
        )

    def labels_found(self) -> list[str]:
        """The class of the image."""
        return [self.name]

    def _summary(self) -> str:
        return f"{self.name} {self.score:.1%}"


class ClassificationPredictor(Predictor):
    """Predicts classes, with the evaluation transform of the training data."""

    collate = staticmethod(collate_images)
    table = "predictions.csv"

    def __init__(self, model: LoadedModel) -> None:
        super().__init__(model)
        options = model.preprocessing
        if options is None:
            spec = {**model.task.describe()["input"], **model.description["input"]}
            names = {"crop": spec["crop"], "interpolation": spec["interpolation"]}
            options = {"image_size": int(spec["size"][0]), **names}
            logger.warning(
                "the model does not store its preprocessing; using what its backbone's published"
                " weights expect: %s",
                options,
            )
        self.transform: EvalTransform = build_transform(EvalTransform, options)

    def prepare(self, image: Tensor, path: str | None, index: int) -> dict[str, Any]:
        """The square input of the model."""
        return {"image": self.transform(image)}

    def result(
        self, seen: Seen, prediction: Mapping[str, Any], options: PredictOptions
    ) -> ClassificationResult:
        """The class of an image."""
        return ClassificationResult(
            image=seen.image,
            path=seen.path,
            index=seen.index,
            names=self.names,
            label=int(prediction["label"]),
            scores=prediction["scores"],
        )

    def write_table(
        self,
        path: Path,
        lines: Iterable[Mapping[str, Any]],
        ids: Mapping[str, int],
        category_ids: Sequence[int],
    ) -> None:
        """Write a row per image: its path in the folder, label, name and score."""
        rows = (
            # A probability that is NaN is null in the lines.
            (one["image"], one["label"], one["name"], one["score"] and round(one["score"], 6))
            for one in lines
        )
        write_table(path, COLUMNS, rows)
