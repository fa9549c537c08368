"""How sides take turns, and the median and the interval of their ratio."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import quantile_test

from vision.benchmarks.timing import median_ratio, ratio_interval, times


def test_every_second_round_runs_the_sides_in_reverse() -> None:
    ran: list[str] = []
    sides = [lambda: ran.append("a"), lambda: ran.append("b"), lambda: ran.append("c")]
    found = times(sides, torch.device("cpu"), rounds=3, warmup=1)
    assert "".join(ran) == "abccbaabccba"
    assert [(len(side.wall), len(side.processor)) for side in found] == [(3, 3)] * 3


def test_the_interval_of_a_ratio_of_few_rounds_is_students() -> None:
    # Logarithms 0 and 2: mean 1, standard error 1, and Student's 12.706 of one degree of freedom.
    low, high = ratio_interval([1.0, 1.0], [1.0, math.exp(2)])
    assert (math.log(low), math.log(high)) == pytest.approx((1 - 12.706, 1 + 12.706), abs=1e-3)
    assert ratio_interval([2.0] * 3, [6.0] * 3) == pytest.approx((3.0, 3.0))
    assert ratio_interval([1.0], [2.0]) == (0.0, math.inf)


@pytest.mark.parametrize("rounds", [6, 7, 8, 9, 12, 25, 60])
def test_the_interval_of_a_ratio_of_more_rounds_is_that_of_their_median(rounds: int) -> None:
    drawn = np.random.default_rng(rounds).lognormal(size=(2, rounds))
    ours, theirs = drawn.tolist()
    expected = quantile_test(drawn[1] / drawn[0], p=0.5).confidence_interval(0.95)
    assert ratio_interval(ours, theirs) == pytest.approx((expected.low, expected.high))
    assert median_ratio(ours, theirs) == pytest.approx(
        math.exp(np.median(np.log(drawn[1] / drawn[0])))
    )


@pytest.mark.parametrize("rounds", [2, 3, 4, 5, 6, 7, 30])
def test_the_ratio_lies_within_its_interval_whatever_a_burst_does(rounds: int) -> None:
    ours, theirs = [1.0] * rounds, [1.1] * rounds
    theirs[0] = 1000.0
    low, high = ratio_interval(ours, theirs)
    assert low <= median_ratio(ours, theirs) <= high
    if rounds == 30:
        assert (low, high) == pytest.approx((1.1, 1.1))
