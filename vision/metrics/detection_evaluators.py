"""The evaluators of detections by the name of their protocol, which a dataset chooses."""

from vision.errors import ConfigError, suggest
from vision.metrics.coco.metric import CocoEvaluator
from vision.metrics.lvis.metric import LvisEvaluator
from vision.metrics.voc.metric import VocEvaluator

EVALUATORS: dict[str, type[CocoEvaluator]] = {
    "coco": CocoEvaluator,
    "lvis": LvisEvaluator,
    "voc": VocEvaluator,
}


def build_evaluator(protocol: str, *, masks: bool) -> CocoEvaluator:
    """The evaluator of a protocol.

    Args:
        protocol: A name in `EVALUATORS`: the attribute `evaluation` of a datamodule.
        masks: Whether masks are evaluated too.

    Raises:
        ConfigError: There is no such protocol.
    """
    if protocol not in EVALUATORS:
        raise ConfigError(
            f"evaluation='{protocol}' is unknown; choose one of {sorted(EVALUATORS)}."
            f"{suggest(protocol, EVALUATORS)}"
        )
    return EVALUATORS[protocol](masks=masks)
