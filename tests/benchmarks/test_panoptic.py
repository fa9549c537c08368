"""The post-processing and its definition give the same segments, and the interval of a ratio."""

import math

import numpy as np
import pytest

from vision.benchmarks.panoptic import MERGE, THINGS, PostSettings, by_definition, make_logits
from vision.benchmarks.timing import ratio_interval
from vision.ops.panoptic_inference import predict_panoptic


@pytest.mark.parametrize("stride", [2, 4])
def test_both_sides_find_the_same_segments(stride: int) -> None:
    settings = PostSettings(height=48, width=80, queries=70, stride=stride, rounds=1, warmup=0)
    classes, masks, sizes = make_logits(settings)
    options = {"semantic": False, "instances": False}
    ours = predict_panoptic(classes, masks, sizes, things=THINGS, merge=MERGE, **options)
    assert len(ours["segments"]) > 10
    assert np.array_equal(ours["mask"].numpy(), by_definition(classes, masks, sizes))


def test_the_interval_of_a_ratio() -> None:
    # Logarithms 0 and 2: mean 1, standard error 1, and Student's 12.706 of one degree of freedom.
    low, high = ratio_interval([1.0, 1.0], [1.0, math.exp(2)])
    assert (math.log(low), math.log(high)) == pytest.approx((1 - 12.706, 1 + 12.706), abs=1e-3)
    assert ratio_interval([2.0] * 3, [6.0] * 3) == pytest.approx((3.0, 3.0))
    assert ratio_interval([1.0], [2.0]) == (0.0, math.inf)
