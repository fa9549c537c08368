"""A picture of a classifier's correct and wrong predictions."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from vision.callbacks.results.best_validation import BestValidation
from vision.callbacks.results.evaluated import Evaluated
from vision.contracts.classes import known_classes
from vision.decoration import Decoration
from vision.draw.classification import ClassifiedImage, draw_classification, draw_predictions
from vision.draw.figure import save_png
from vision.metrics.processes import gather_shares

FILE_NAME = "predictions.png"
# A confusion matrix of more classes takes more than 200 MB.
MAX_CONFUSED = 5000


class Classified(NamedTuple):
    """An image of the validation set: its index, true class, predicted class and score."""

    place: int
    label: int
    predicted: int
    score: float


class ClassificationPictures(BestValidation):
    """Draws example predictions and the confusion matrix when training ends.

    They show the best validation; four numbers per image are kept. Examples begin with mistakes,
    most confident first. The samples of the validation set are read again by index.

    Args:
        folder: Where `predictions.png` is written.
        examples: Number of example images.
        max_images: Stop after this many validation images.
    """

    def __init__(self, folder: Path | str, *, examples: int = 30, max_images: int = 10_000) -> None:
        super().__init__()
        self.path = Path(folder) / FILE_NAME
        self.examples = examples
        self.max_images = max_images
        self._guard = Decoration("the picture of the predictions")
        self._rows: list[Tensor] = []
        self._best_rows = torch.zeros(0, len(Classified._fields))
        self._classes = 0

    def begin(self, trainer: Trainer, task: Any, dataset: Any) -> None:
        """Begin with no images."""
        self._rows = []

    def take(self, trainer: Trainer, task: Any, evaluated: Evaluated) -> None:
        """Store the classes of a batch on its device, without synchronising."""
        label = evaluated.batch.get("label")
        if label is None or label.ndim != 1 or sum(map(len, self._rows)) >= self.max_images:
            return
        with self._guard:
            scores = torch.stack([one["scores"] for one in evaluated.predictions])  # (B, K)
            score, predicted = scores.max(dim=1)
            self._classes = scores.shape[1]
            columns = (evaluated.places.to(score.device), label, predicted, score)
            self._rows.append(torch.stack([column.float() for column in columns], dim=1))

    def write(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep the images of all processes, each once, until training ends."""
        own = torch.cat([row.cpu() for row in self._rows]) if self._rows else self._best_rows[:0]
        rows = torch.cat(gather_shares(own))
        _, order = rows[:, 0].sort(stable=True)
        rows = rows[order]
        first = torch.ones(len(rows), dtype=torch.bool)
        first[1:] = rows[1:, 0] != rows[:-1, 0]
        self._rows, self._best_rows = [], rows[first][: self.max_images]

    def state_dict(self) -> dict[str, Any]:
        """The best validation so far, for resuming."""
        return {**super().state_dict(), "images": self._best_rows, "classes": self._classes}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the best validation so far."""
        super().load_state_dict(state_dict)
        self._best_rows, self._classes = state_dict["images"], state_dict["classes"]

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw, on the first process; without validation images there is nothing to draw."""
        dataset = getattr(trainer.val_dataloaders, "dataset", None)
        if trainer.is_global_zero and len(self._best_rows) and hasattr(dataset, "__getitem__"):
            with self._guard:
                self._draw(pl_module, dataset)

    def _draw(self, task: Any, dataset: Any) -> None:
        images = [
            Classified(int(place), int(label), int(predicted), score)
            for place, label, predicted, score in self._best_rows.tolist()
        ]
        chosen = choose_images(images, self._classes, self.examples)
        shown = [_load(dataset, image, self._classes) for image in chosen]
        names = list(known_classes(task)) or [str(i) for i in range(self._classes)]
        if self._classes > MAX_CONFUSED:
            save_png(draw_predictions(shown, names), self.path)
            return
        counts = torch.zeros(self._classes, self._classes, dtype=torch.int64)
        for image in images:
            counts[image.label, image.predicted] += 1
        save_png(draw_classification(shown, counts, names), self.path)


def choose_images(images: Sequence[Classified], classes: int, count: int) -> list[Classified]:
    """Choose the most confident mistakes, up to half of the images, and correct ones per class.

    Args:
        images: All images.
        classes: Number of classes.
        count: Number of images to choose.
    """
    wrong = [image for image in images if image.predicted != image.label]
    wrong = sorted(wrong, key=lambda image: -image.score)[: count // 2]
    right: dict[int, list[Classified]] = {}
    for image in images:
        if image.predicted == image.label and image.label % max(1, classes // count) == 0:
            kept = right.setdefault(image.label, [])
            if len(kept) < max(1, 10 * count // classes):
                kept.append(image)
    return wrong + list(_in_turn(right, count - len(wrong)))


def _in_turn(groups: Mapping[int, list[Any]], count: int) -> Iterator[Any]:
    """The first of each group, then the second of each, up to `count`."""
    longest = max((len(group) for group in groups.values()), default=0)
    turns = (
        groups[key][i] for i in range(longest) for key in sorted(groups) if i < len(groups[key])
    )
    yield from islice(turns, count)


def _load(dataset: Any, image: Classified, classes: int) -> ClassifiedImage:
    """An image as the model has seen it, without padding."""
    sample = dataset[image.place]
    pixels = sample["image"]
    height, width = pixels.shape[1:] if "size" not in sample else sample["size"].tolist()
    return ClassifiedImage(
        image=pixels[:, :height, :width],
        label=image.label,
        predicted=image.predicted,
        score=image.score,
        num_classes=classes,
    )
