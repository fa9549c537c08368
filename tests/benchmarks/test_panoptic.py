"""The post-processing and its definition give the same segments."""

import numpy as np
import pytest

from vision.benchmarks.panoptic import MERGE, THINGS, PostSettings, by_definition, make_logits
from vision.ops.panoptic_inference import predict_panoptic


@pytest.mark.parametrize("stride", [2, 4])
def test_both_sides_find_the_same_segments(stride: int) -> None:
    settings = PostSettings(height=48, width=80, queries=70, stride=stride)
    classes, masks, sizes = make_logits(settings)
    options = {"semantic": False, "instances": False}
    ours = predict_panoptic(classes, masks, sizes, things=THINGS, merge=MERGE, **options)
    assert len(ours["segments"]) > 10
    assert np.array_equal(ours["mask"].numpy(), by_definition(classes, masks, sizes))
