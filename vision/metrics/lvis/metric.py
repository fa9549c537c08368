"""Average precision of a detector over an epoch and over processes, by LVIS' rules."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from vision.metrics.coco.metric import CocoEvaluator
from vision.metrics.coco.table import CocoResult
from vision.metrics.lvis.evaluation import evaluate_lvis


class LvisEvaluator(CocoEvaluator):
    """Collects the predictions of an epoch and evaluates them once, by LVIS' rules.

    Args:
        masks: Whether masks are kept and evaluated.
        boxes: Whether boxes are evaluated.
    """

    def evaluate(
        self,
        ground_truth: Mapping[str, Any] | Path | str,
        results: Sequence[Mapping[str, Any]],
        image_ids: Collection[int],
    ) -> CocoResult:
        """As `CocoEvaluator.evaluate`, with annotations in LVIS' format."""
        return evaluate_lvis(
            ground_truth, results, kinds=self.kinds, image_ids=image_ids, check_masks=False
        )
