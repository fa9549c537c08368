"""Measure random label maps on two processes, which `answers_of_two` starts."""

import json
import sys
from pathlib import Path

from helpers.random_labels import random_maps
from torch import distributed

from vision.metrics.segmentation import SegmentationEvaluator

SEED, CLASSES = 3, 5
SIZES = [(21, 30), (30, 22), (9, 40), (33, 33), (12, 50)]
# Images of each process, by position.
SHARES = {"odd": ([0, 2, 4], [3, 1]), "uneven": ([0, 2, 3, 4], [1]), "empty": ([], [4, 3, 2, 1, 0])}


def measured(evaluator: SegmentationEvaluator) -> dict[str, object]:
    """All that an evaluation says, for a JSON file."""
    result = evaluator.compute([f"class {k}" for k in range(CLASSES)])
    assert result.boundary_pairs is not None
    return {
        "confusion": result.confusion.tolist(),
        "boundary": result.boundary_pairs.tolist(),
        "numbers": result.to_json(),
        "images": result.images,
    }


def run(folder: Path) -> None:
    """Write, per process, what comes of each share."""
    distributed.init_process_group("gloo")
    rank = distributed.get_rank()
    maps = random_maps(SEED, CLASSES, sizes=SIZES)
    evaluator = SegmentationEvaluator(CLASSES)
    answers = {}
    for name, shares in SHARES.items():
        evaluator.reset()
        for i in shares[rank]:
            evaluator.update(*maps[i])
        # The sum must not become the share of a process: an evaluation may be asked for twice.
        answers[name] = [measured(evaluator), measured(evaluator)]
    (folder / f"{rank}.json").write_text(json.dumps(answers))
    distributed.destroy_process_group()


if __name__ == "__main__":
    run(Path(sys.argv[1]))
