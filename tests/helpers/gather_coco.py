"""Evaluate random detections on two processes, which `answers_of_two` starts."""

import json
import sys
from pathlib import Path

from helpers.random_coco import predictions_of, random_case
from torch import distributed

from vision.errors import DataError
from vision.metrics.coco.metric import CocoEvaluator

SEED = 11
# Images of each process, by position. With three images to a process, one of six comes twice.
SHARES = {
    "even": ([0, 1, 2], [3, 4, 5]),
    "uneven": ([0, 2, 3, 4, 5], [1]),
    "empty": ([], [5, 4, 3, 2, 1, 0]),
    "repeated": ([0, 2, 4, 0], [1, 3, 5, 0]),
}


def run(folder: Path) -> None:
    """Write, per process, the numbers of each share and what an error says."""
    distributed.init_process_group("gloo")
    rank = distributed.get_rank()
    truth, results = random_case(SEED, images=6)
    ids, predictions = predictions_of(truth, results, masks=True)
    category_ids = [one["id"] for one in truth["categories"]]
    answers = {}
    evaluator = CocoEvaluator(masks=True)
    for name, shares in SHARES.items():
        evaluator.reset()
        for i in shares[rank]:
            evaluator.update([ids[i]], [predictions[i]])
        result = evaluator.compute(truth, category_ids)
        answers[name] = {
            "numbers": result.to_json(),
            "categories": result.categories(),
            "images": result.images,
            "results": evaluator.results(category_ids),
        }
    try:
        evaluator.compute(folder / "absent.json", category_ids)
    except DataError as error:
        answers["error"] = str(error)
    (folder / f"{rank}.json").write_text(json.dumps(answers))
    distributed.destroy_process_group()


if __name__ == "__main__":
    run(Path(sys.argv[1]))
