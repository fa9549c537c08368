"""Depth and normals measured in a task: the same as in files, on one process or on two."""

import json
from typing import Any

import pytest
import torch
from helpers.gather_dense import COUNT, SHARES, measured
from helpers.refusals import refuses
from helpers.two_processes import answers_of_two

from vision.errors import DataError
from vision.metrics.depth_evaluator import DepthEvaluator
from vision.metrics.depth_protocol import DepthProtocol
from vision.metrics.normals_maps import angles_of_maps


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    return answers_of_two("gather_dense.py", tmp_path_factory.mktemp("gather"))


@pytest.mark.parametrize("name", SHARES)
def test_two_processes_get_what_one_gets(answers: list[Any], name: str) -> None:
    alone = json.loads(json.dumps(measured(range(COUNT), with_normals=name != "twice")))
    for answer in answers:
        normals = answer[name].pop("normals", None)
        assert answer[name] == {key: alone[key] for key in ("depth", "rows")}
        if name != "twice":
            assert normals == pytest.approx(alone["normals"], rel=1e-14)


def test_an_image_that_is_measured_twice_counts_once() -> None:
    once = measured(range(COUNT), with_normals=False)
    assert measured([*range(COUNT), 3], with_normals=False) == once
    assert (once["depth"]["images"], once["depth"]["skipped"]) == (COUNT - 1, 1)


def test_nothing_that_counts_is_said_with_the_limits() -> None:
    evaluator = DepthEvaluator(DepthProtocol(max_depth=10, crop="garg"))
    evaluator.update(torch.ones(8, 8), torch.full((8, 8), 2500.0), where="a.png")
    with refuses(DataError, "none of 1 images", "0.001 and 10 m", "'garg'", "2500 m", "unit"):
        evaluator.compute()


def test_a_refusal_names_the_image() -> None:
    evaluator = DepthEvaluator(DepthProtocol(crop="kb"))
    with refuses(DataError, "a.png", "352 x 1216"):
        evaluator.update(torch.ones(8, 8), torch.ones(8, 8), where="a.png")
    with refuses(DataError, "a.png", "(8, 9)", "(8, 8)"):
        evaluator.update(torch.ones(8, 9), torch.ones(8, 8), where="a.png")
    with refuses(DataError, "a.png", "(3, 8, 9)", "(3, 8, 8)"):
        angles_of_maps(torch.ones(3, 8, 9), torch.ones(3, 8, 8), where="a.png")
    with refuses(DataError, "a.png", "64 of 64"):
        angles_of_maps(torch.zeros(3, 8, 8), torch.ones(3, 8, 8), where="a.png")
    assert len(evaluator) == 0
