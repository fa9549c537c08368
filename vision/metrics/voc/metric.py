"""Average precision of a detector over an epoch and over processes, by VOC's rules too."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vision.metrics.coco.metric import CocoEvaluator
from vision.metrics.coco.table import CocoResult
from vision.metrics.voc.evaluation import evaluate_voc
from vision.metrics.voc.table import VocResult


@dataclass(frozen=True, eq=False, kw_only=True)
class CocoAndVocResult(CocoResult):
    """Result by COCO's rules, with that of VOC's.

    Attributes:
        voc: Average precision of the boxes by VOC's rules.
    """

    voc: VocResult

    def scalars(self) -> dict[str, float]:
        """COCO's numbers, `box_AP_2007` and `box_AP_2010`."""
        own = {f"box_{name}": value for name, value in self.voc.scalars().items()}
        return {**super().scalars(), **own}

    def to_json(self) -> dict[str, Any]:
        """Per kind, COCO's numbers as a list; under `voc`, the numbers of VOC's rules."""
        return {**super().to_json(), "voc": self.voc.to_json()}


class VocEvaluator(CocoEvaluator):
    """Collects the predictions of an epoch and evaluates their boxes by VOC's rules too.

    Args:
        masks: Whether masks are kept and evaluated, by COCO's rules.
        boxes: Whether boxes are evaluated by them.
    """

    def evaluate(
        self,
        ground_truth: Mapping[str, Any] | Path | str,
        results: Sequence[Mapping[str, Any]],
        image_ids: Collection[int],
    ) -> CocoResult:
        """As `CocoEvaluator.evaluate`; difficult objects are those with `iscrowd: 1`."""
        coco = super().evaluate(ground_truth, results, image_ids)
        voc = evaluate_voc(ground_truth, results, image_ids=image_ids)
        return CocoAndVocResult(**vars(coco), voc=voc)
