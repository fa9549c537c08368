"""Measure random depths and normals on two processes, which `answers_of_two` starts."""

import json
import sys
from pathlib import Path
from typing import Any

from helpers.random_values import random_values
from torch import distributed

from vision.metrics.depth_evaluator import DepthEvaluator
from vision.metrics.depth_protocol import DepthProtocol
from vision.metrics.normals import NormalsEvaluator
from vision.metrics.normals_maps import angles_of_maps

COUNT, SIZE = 5, (6, 9)
# Images of each process: the second time one of them is measured by both, the third time one has
# none.
SHARES = {"uneven": ([3, 0, 2], [4, 1]), "twice": ([0, 1, 2], [3, 4, 0]), "empty": ([], range(5))}


def measured(images: Any, *, with_normals: bool = True) -> dict[str, Any]:
    """All that evaluations of some images say, asked for twice."""
    depth, normals = DepthEvaluator(DepthProtocol(scale="median")), NormalsEvaluator()
    found = {key: random_values(key, COUNT, SIZE, seed=1) for key in ("depth", "normals")}
    truth = {key: random_values(key, COUNT, SIZE, seed=2) for key in ("depth", "normals")}
    truth["depth"][2] = 0
    for i in images:
        depth.update(found["depth"][i], truth["depth"][i], where=f"{i}.png", index=i)
        normals.update(angles_of_maps(found["normals"][i], truth["normals"][i]))
    numbers = []
    for _ in range(2):
        result = depth.compute()
        numbers.append({"depth": {**result.to_json()}, "rows": result.rows()})
        if with_normals:
            numbers[-1]["normals"] = normals.compute(all_processes=True).to_json()
    assert numbers[0] == numbers[1]
    return numbers[0]


def run(folder: Path) -> None:
    """Write, per process, what comes of each share."""
    distributed.init_process_group("gloo")
    rank = distributed.get_rank()
    answers = {
        # Only a dataset's index tells that an image is measured twice.
        name: measured(shares[rank], with_normals=name != "twice")
        for name, shares in SHARES.items()
    }
    (folder / f"{rank}.json").write_text(json.dumps(answers))
    distributed.destroy_process_group()


if __name__ == "__main__":
    run(Path(sys.argv[1]))
