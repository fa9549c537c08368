"""Records of a classifier's evaluation, for its report."""

from typing import Any, NamedTuple

import numpy as np
import torch
from lightning.pytorch import Trainer

from vision.callbacks.results.evaluated import Evaluated
from vision.metrics.processes import gather_rows, gather_shares

# Scores kept for curves: 64 MiB in float32. Larger sets are subsampled evenly, since they are often
# sorted by class.
MAX_SCORES = 1 << 24


class ClassificationRecord(NamedTuple):
    """The N images of an evaluation.

    Attributes:
        place: int64 `(N,)`, index of each image in the dataset, ascending.
        label: int64 `(N,)`, true class index.
        predicted: int64 `(N,)`, class of the highest score.
        confidence: float32 `(N,)`, its probability.
        true_score: float32 `(N,)`, probability of the true class.
        sampled: int64 `(S,)`, which of the N images have `scores`.
        scores: float32 `(S, K)`, probability of each class.
    """

    place: np.ndarray
    label: np.ndarray
    predicted: np.ndarray
    confidence: np.ndarray
    true_score: np.ndarray
    sampled: np.ndarray
    scores: np.ndarray


class ClassificationRecorder:
    """Collects the probabilities of the classes; a few numbers per image are kept."""

    def __init__(self) -> None:
        self._rows: list[np.ndarray] = []
        self._scores: dict[int, np.ndarray] = {}
        self._every = 1

    def begin(self, trainer: Trainer, task: Any, dataset: Any) -> None:
        """Start with no images."""
        self._rows, self._scores = [], {}
        count = len(dataset) if dataset is not None else 0
        self._every = max(1, -(-count * task.num_classes // MAX_SCORES))

    def take(self, task: Any, evaluated: Evaluated) -> None:
        """Add the predictions for a batch."""
        scores = torch.stack([one["scores"] for one in evaluated.predictions])  # (B, K)
        label = evaluated.batch["label"].to(scores.device)
        confidence, predicted = scores.max(dim=1)
        true = scores.gather(1, label[:, None])[:, 0]
        columns = [evaluated.places, label, predicted, confidence, true]
        self._rows.append(np.stack([column.cpu().double().numpy() for column in columns], axis=1))
        host = scores.cpu().numpy()
        kept = evaluated.places.tolist()
        self._scores |= {i: host[n] for n, i in enumerate(kept) if i % self._every == 0}

    def finish(self, trainer: Trainer, task: Any) -> ClassificationRecord:
        """The images of all processes, each once."""
        rows = np.concatenate([*self._rows, np.zeros((0, 5))])
        rows = np.concatenate(gather_shares(rows))
        scores = gather_rows(self._scores)
        _, first = np.unique(rows[:, 0], return_index=True)
        rows = rows[first]
        index = rows[:, 0].astype(np.int64)
        sampled = np.flatnonzero([i in scores for i in index.tolist()])
        kept = [scores[i] for i in index[sampled].tolist()]
        self._rows, self._scores = [], {}
        return ClassificationRecord(
            place=index,
            label=rows[:, 1].astype(np.int64),
            predicted=rows[:, 2].astype(np.int64),
            confidence=rows[:, 3].astype(np.float32),
            true_score=rows[:, 4].astype(np.float32),
            sampled=sampled,
            scores=np.array(kept, np.float32).reshape(len(kept), -1),
        )
